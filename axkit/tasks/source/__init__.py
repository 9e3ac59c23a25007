"""Where rows come from: files and data sets, read as they say."""

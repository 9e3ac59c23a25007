"""The examples beside this are registered where they are not installed."""

import os

import checkout

os.environ.setdefault("AXKIT_INT8_KERNEL", "usual")  # no test goes by what a clock says

checkout.register()

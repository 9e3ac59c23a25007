"""The examples beside this are registered where they are not installed."""

import checkout

checkout.register()

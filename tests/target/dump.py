"""Run by a Python under test: what `packaging` says of that Python, as JSON. Its argument: where packaging lies."""

import json
import sys

sys.path.append(sys.argv[1])

from packaging.markers import default_environment
from packaging.tags import sys_tags

print(json.dumps({"markers": default_environment(), "tags": [str(tag) for tag in sys_tags()]}))

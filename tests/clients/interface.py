# Reads the document of the interface and asks each operation what it makes up from it: nothing may be answered that the
# document does not say, no body may differ from its schema, and no answer may be a failure of the server.
#
# CLAVIGER_CLIENT_TEST: document (an address), key (with `keys:manage` and `keys:verify`), app (its app), key_id (another key).

import json
import os
import subprocess
import sys
import tempfile

SETTINGS = json.loads(os.environ["CLAVIGER_CLIENT_TEST"])
SEED = 20260601
# Requests of an operation that are drawn by chance, beside those that cover its schema.
EXAMPLES = 40

# Paths lead to what is there; but the key is not to be revoked, for the others' sake.
CONFIGURATION = """
[parameters]
"path.app" = "{app}"

[[operations]]
include-path-regex = "/v1/keys/[{{]id[}}]"
include-method = ["GET", "PATCH", "POST"]

[operations.parameters]
"path.id" = "{key_id}"

# A change of a version that is not there is refused for that, whatever else is wrong with it.
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "406", "409", "412", "413", "415", "422", "428", "429", "5xx"]
"""

# What only the server knows cannot be in a schema: that a scope is granted, that an end is to come, whose an id is. So not
# all that fits is accepted.
NOT_CHECKED = "positive_data_acceptance"


def main():
    with tempfile.TemporaryDirectory() as folder:
        configuration = os.path.join(folder, "schemathesis.toml")
        with open(configuration, "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(**SETTINGS))
        arguments = [
            os.path.join(os.path.dirname(sys.executable), "st"),
            "--config-file", configuration,
            "run", SETTINGS["document"],
            "--header", f"Authorization: Bearer {SETTINGS['key']}",
            "--phases", "examples,coverage,fuzzing",
            "--exclude-checks", NOT_CHECKED,
            "--max-examples", str(EXAMPLES),
            "--seed", str(SEED),
            "--workers", "1",
        ]
        sys.exit(subprocess.run(arguments, cwd=folder).returncode)


main()

"""Says which packages are in the program: sbom.py [--copyright | --licences].

As CycloneDX 1.5, from Cargo.lock by way of cargo: what the program is built from for this kind of machine, without
what only its tests and benches need. With --copyright, as Debian's file copyright;
with --licences, the texts of their licences.
"""

import hashlib
import json
import os
import subprocess
import sys
import uuid
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def printed(*command):
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def read():
    """Returns the program, what it is built from, and who needs whom."""
    # The tree has what is built; the metadata has also what the tests alone switch on.
    tree = printed("cargo", "tree", "--locked", "--edges", "normal,build", "--prefix", "none", "--format", "{p}")
    built = {tuple(line.split()[:2]) for line in tree.splitlines()}
    metadata = json.loads(printed("cargo", "metadata", "--locked", "--format-version", "1"))
    packages = {each["id"]: each for each in metadata["packages"] if (each["name"], f"v{each['version']}") in built}
    needs = {
        node["id"]: sorted(
            each["pkg"]
            for each in node["deps"]
            if each["pkg"] in packages and any(kind["kind"] != "dev" for kind in each["dep_kinds"])
        )
        for node in metadata["resolve"]["nodes"]
        if node["id"] in packages
    }
    root = metadata["resolve"]["root"]
    others = (package for each, package in packages.items() if each != root)
    return packages[root], sorted(others, key=lambda each: (each["name"], each["version"])), needs


def checksums():
    """Returns the SHA-256 of each package of Cargo.lock."""
    found, name, version = {}, None, None
    for line in (ROOT / "Cargo.lock").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(" = ")
        if key == "name":
            name = value.strip('"')
        elif key == "version":
            version = value.strip('"')
        elif key == "checksum":
            found[name, version] = value.strip('"')
    return found


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, sums):
    made = {
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
    }
    if package["description"]:
        made["description"] = " ".join(package["description"].split())
    if package["license"]:
        # The slash is what Cargo had for OR.
        made["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if (package["name"], package["version"]) in sums:
        made["hashes"] = [{"alg": "SHA-256", "content": sums[package["name"], package["version"]]}]
    if package["repository"]:
        made["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return made


def sbom():
    program, others, needs = read()
    sums = checksums()
    names = {each["id"]: purl(each) for each in [program, *others]}
    lock = (ROOT / "Cargo.lock").read_bytes()
    made = os.environ.get("SOURCE_DATE_EPOCH") or printed("git", "log", "-1", "--format=%ct").strip()
    about = component(program, sums) | {"type": "application"}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        # Of what it says, so that two of one commit are the same.
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, purl(program) + hashlib.sha256(lock).hexdigest())}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(int(made), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": about,
        },
        "components": [component(each, sums) for each in others],
        "dependencies": [
            {"ref": names[each], "dependsOn": sorted(names[other] for other in needed)}
            for each, needed in sorted(needs.items(), key=lambda pair: names[pair[0]])
        ],
    }


LICENCE_FILES = ("license", "licence", "copying", "copyright", "notice", "unlicense")


def copyright_file():
    """Writes who holds what, and each licence's text as its package has it."""
    program, others, _ = read()
    print("Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/")
    print(f"Upstream-Name: {program['name']}")
    print("Comment: The program is built from the packages that follow, each under its own licence. Their texts are in")
    print(" licences.txt beside this file.")
    for package in others:
        print(f" {package['name']} {package['version']}: {package['license'] or 'see its text'}")
    print("\nFiles: *\nCopyright: the contributors of Bridgehead\nLicense: unpublished")
    print(" No licence to the public has been given. What may be done with it is up to whom you have it from.")


def licences():
    """Prints the texts of all licences, each once, below the packages that come with it."""
    _, others, _ = read()
    holders = {}
    for package in others:
        folder = Path(package["manifest_path"]).parent
        for file in sorted(folder.iterdir()):
            if file.is_file() and file.name.lower().startswith(LICENCE_FILES):
                text = file.read_text(encoding="utf-8", errors="replace").strip()
                holders.setdefault(text, []).append(f"{package['name']} {package['version']}")
    for text, names in sorted(holders.items(), key=lambda pair: pair[1]):
        print("=" * 80, ", ".join(names), "=" * 80, text, "", sep="\n")


def main(arguments):
    match arguments:
        case []:
            json.dump(sbom(), sys.stdout, indent=2, ensure_ascii=False)
            print()
        case ["--copyright"]:
            copyright_file()
        case ["--licences"]:
            licences()
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])

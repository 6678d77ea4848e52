"""Checks Kubernetes manifests: check.py FILE...

Against the schemas that Kubernetes publishes, those of the oldest release that is still looked after and of the
newest, and against those of the Prometheus operator and of cert-manager. A key that no schema knows is a fault. One line for each object,
exit 1 if there is a fault.
"""

import sys
import warnings

import kubernetes_validate
import yaml
from cloudcoil.models.cert_manager import v1 as cert_manager
from cloudcoil.models.prometheus_operator import v1 as operator

RELEASES = ("1.34", "1.37")
OPERATORS = {"monitoring.coreos.com": operator, "cert-manager.io": cert_manager}


def faults(manifest):
    """Yields what is wrong with an object."""
    if models := OPERATORS.get(manifest["apiVersion"].split("/")[0]):
        # The model drops what it does not know: then less comes back.
        read = getattr(models, manifest["kind"]).model_validate(manifest)
        known = read.model_dump(by_alias=True, exclude_unset=True, mode="json")
        if known != manifest:
            yield f"the operator makes of it: {known}"
        return
    for release in RELEASES:
        try:
            kubernetes_validate.validate(manifest, release, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"Kubernetes {release}: {error.message} at {list(error.path)}"
        except kubernetes_validate.SchemaNotFoundError as error:
            yield f"Kubernetes {release}: {error.message}"


def main(files):
    failed = False
    for file in files:
        with open(file, encoding="utf-8") as text:
            for manifest in filter(None, yaml.safe_load_all(text)):
                try:
                    found = list(faults(manifest))
                except (AttributeError, ValueError) as error:
                    found = [str(error)]
                name = f"{file}: {manifest.get('kind')} {manifest['metadata']['name']}"
                print(f"{name}: {'; '.join(found) or 'valid'}")
                failed |= bool(found)
    return int(failed)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main(sys.argv[1:]))

"""Shell functions that delete manifests by the programs of vendors: gh, aws, az, gcloud.

Each defines `digest_of`, `tags_of` (all tags of a manifest), `delete` (a manifest, with its tags) and `untag`. Sources:
GitHub's REST API for packages (2022-11-28); the service models of botocore 1.43 (ECR); the Azure CLI reference of `az
acr repository`; Google Cloud SDK 528. Only aws and gcloud were run.
"""

from __future__ import annotations

import re
import shlex

__all__ = ["AWS", "AZ", "GCLOUD", "GH", "azure", "ecr", "ecr_public", "google"]

_LIST = """
list=$(mktemp) # its first line is the repository that the others are about
trap 'rm -f "$list"' EXIT
"""

GH = (
    _LIST
    + """
# gh needs the scopes read:packages and delete:packages: gh auth refresh -s read:packages,delete:packages
versions() { # REPOSITORY: list the id, the digest and the tags of each version
    [ "$(sed -n '1s/ .*//p' "$list")" != "$1" ] || return 0
    owner=${1%%/*} package=$(printf '%s\\n' "${1#*/}" | sed 's|/|%2F|g')
    kind=$(gh api "/users/$owner" --jq .type) || return 1
    case $kind in
    Organization) path=/orgs/$owner/packages/container/$package/versions ;;
    *) path=/users/$owner/packages/container/$package/versions ;;
    esac
    found=$(gh api --paginate "$path?per_page=100" \\
        --jq '.[] | [.id, .name, .metadata.container.tags[]] | map(tostring) | join(" ")') || return 1
    printf '%s %s\\n%s\\n' "$1" "$path" "$found" > "$list"
}

version_of() { # REPOSITORY DIGEST: print the path of a version in GitHub's API
    versions "$1" || return 1
    awk -v digest="$2" 'NR == 1 { path = $2 } NR > 1 && $2 == digest { print path "/" $1; exit }' "$list"
}

digest_of() { # REPOSITORY TAG-OR-DIGEST
    versions "$1" || return 1
    awk -v name="$2" 'NR > 1 { for (i = 2; i <= NF; i++) if ($i == name) { print $2; exit } }' "$list"
}

tags_of() { # REPOSITORY DIGEST: ask again, just before the deletion
    path=$(version_of "$1" "$2") || return 1
    [ -n "$path" ] && gh api "$path" --jq '.metadata.container.tags[]'
}

delete() { # REPOSITORY DIGEST TAG...
    path=$(version_of "$1" "$2") || return 1
    [ -n "$path" ] && gh api -X DELETE "$path" > /dev/null
}

untag() { return 1; } # GitHub would delete the version, and all other tags of it"""
)

AWS = """
FLAGS=${FLAGS:-} # more options for every call of aws, such as --profile NAME

image() { # TAG-OR-DIGEST
    case $1 in
    *:*) echo "imageDigest=$1" ;;
    *) echo "imageTag=$1" ;;
    esac
}

digest_of() { ecr describe-images "$1" "$(image "$2")" --query 'imageDetails[0].imageDigest'; }

tags_of() { ecr describe-images "$1" "$(image "$2")" --query 'imageDetails[].imageTags[]'; }

remove() { # REPOSITORY TAG-OR-DIGEST; aws ends well where it deletes nothing: its answer tells
    failed=$(ecr batch-delete-image "$1" "$(image "$2")" --query 'failures[].[failureCode, failureReason]') || return 1
    [ -z "$failed" ] || { printf '%s\\n' "$failed" >&2; return 1; }
}

delete() { remove "$1" "$2"; }

untag() { remove "$1" "$2"; }"""

_ECR = """
# shellcheck disable=SC2086
ecr() { # OPERATION REPOSITORY IMAGE-ID OPTION...
    operation=$1 id=$3 %s
    shift 3
    aws $FLAGS %s "$operation" %s \\
        --repository-name "$name" --image-ids "$id" --output text "$@"
}"""

AZ = """
FLAGS=${FLAGS:-} # more options for every call of az, such as --subscription NAME

# shellcheck disable=SC2086
acr() { # OPERATION REPOSITORY TAG-OR-DIGEST OPTION...
    operation=$1 image=$(at "$2" "$3")
    shift 3
    az acr repository "$operation" --name "$NAME" --image "$image" --output tsv "$@" $FLAGS
}

digest_of() { acr show "$1" "$2" --query digest; }

tags_of() { acr show "$1" "$2" --query 'tags[]'; }

delete() { acr delete "$1" "$2" --yes; }

untag() { acr untag "$1" "$2"; }"""

GCLOUD = (
    _LIST
    + """
FLAGS=${FLAGS:-} # more options for every call of gcloud, such as --account NAME

# shellcheck disable=SC2086
docker() { gcloud artifacts docker "$@" --quiet $FLAGS; }

versions() { # REPOSITORY: list the image, the digest and the tags of each version
    [ "$(sed -n 1p "$list")" != "$1" ] || return 0
    found=$(docker images list "$(image "$1")" --include-tags --format 'value(package, version, tags)') || return 1
    printf '%s\\n%s\\n' "$1" "$found" > "$list"
}

named() { # REPOSITORY TAG-OR-DIGEST: print the digest and the tags of a version
    versions "$1" || return 1
    awk -F '[\\t,;]+' -v image="$(image "$1")" -v name="$2" \\
        'NR > 1 && $1 == image { for (i = 2; i <= NF; i++) if ($i == name) { $1 = ""; print; exit } }' "$list"
}

digest_of() { named "$1" "$2" | awk '{ print $1 }'; }

tags_of() { named "$1" "$2" | sed 's/^ *[^ ]* *//'; }

delete() { # REPOSITORY DIGEST TAG...; without --delete-tags gcloud refuses where another tag came meanwhile
    name=$1 digest=$2
    shift 2
    for tag; do
        untag "$name" "$tag" || return 1
    done
    docker images delete "$(image "$name")@$digest"
}

untag() { docker tags delete "$(image "$1"):$2"; }"""
)


def ecr(host: str) -> str:
    """Return the function that calls aws for a private registry: account and region are in its host."""
    account, region = re.findall(r"\A([0-9]+)\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.", host.lower())[0]
    return _ECR % ("name=$2", "ecr", f"--region {shlex.quote(region)} --registry-id {shlex.quote(account)}")


def ecr_public(_: str) -> str:
    """Return the function that calls aws for a public registry: its alias is the first part of the repository."""
    return _ECR % ("name=${2#*/} alias=${2%%/*}", "ecr-public", '--region us-east-1 --registry-id "$alias"')


def azure(host: str) -> str:
    """Return the setting of the name of a registry."""
    return f"\nNAME={shlex.quote(host.partition('.')[0])}"


def google(host: str) -> str:
    """Return the function that prints the name of an image; those of gcr.io are in Artifact Registry by now."""
    name = host.partition(":")[0].lower()
    if not name.endswith("gcr.io"):
        return f"\nimage() {{ printf '%s/%s\\n' {shlex.quote(name)} \"$1\"; }} # REPOSITORY"
    place = {"gcr.io": "us", "eu.gcr.io": "europe"}.get(name, name.partition(".")[0])
    where = shlex.quote(f"{place}-docker.pkg.dev")
    return (
        "\nimage() { # REPOSITORY: project and image"
        f'\n    printf \'%s/%s/%s/%s\\n\' {where} "${{1%%/*}}" {shlex.quote(name)} "${{1#*/}}"\n}}'
    )

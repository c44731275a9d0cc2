"""Shell functions that delete tags, one at a time, by the APIs of vendors that delete no manifests: curl and jq.

Each defines `digest_of` and `untag`. Sources: the API document of Docker Hub (2026), which has no deletion: the call is
that of docker/hub-tool; the container registry API of GitLab; the API of Quay 3. None was run against the vendor.
"""

from __future__ import annotations

from blobkit.scripts.registry import ACCEPT

__all__ = ["GITLAB", "HUB", "QUAY"]

HUB = (
    """
HUB_TOKEN=${HUB_TOKEN:?set it to an access token: POST https://hub.docker.com/v2/auth/token gives one}
API=${API:-https://hub.docker.com} AUTH=${AUTH:-https://auth.docker.io} REGISTRY=${REGISTRY:-https://registry-1.docker.io}
FLAGS=${FLAGS:-} # more options for every call of curl; --netrc for private repositories
"""
    f"ACCEPT='{ACCEPT}'"
    """

# shellcheck disable=SC2086
digest_of() { # REPOSITORY TAG; a HEAD is no pull
    asked="service=registry.docker.io&scope=repository:$1:pull"
    token=$(curl $FLAGS -fsS "$AUTH/token?$asked" | jq -r .token) || return 1
    printf 'Authorization: Bearer %s\\n' "$token" |
        curl $FLAGS -fsS --head -H @- -H "Accept: $ACCEPT" "$REGISTRY/v2/$1/manifests/$2" | tr -d '\\r' |
        sed -n 's/^[Dd][Oo][Cc][Kk][Ee][Rr]-[Cc]ontent-[Dd]igest: *//p'
}

# shellcheck disable=SC2086
untag() { # REPOSITORY TAG
    printf 'Authorization: Bearer %s\\n' "$HUB_TOKEN" |
        curl $FLAGS -fsS -o /dev/null -X DELETE -H @- "$API/v2/repositories/$1/tags/$2/"
}"""
)

GITLAB = """
GITLAB_TOKEN=${GITLAB_TOKEN:?set it to a token with the scope api}
API=${API:-https://gitlab.com/api/v4}
FLAGS=${FLAGS:-} # more options for every call of curl
place=$(mktemp) # its first line is a repository, its second one the path of that in the API
trap 'rm -f "$place"' EXIT

# shellcheck disable=SC2086
ask() { # METHOD PATH
    printf 'PRIVATE-TOKEN: %s\\n' "$GITLAB_TOKEN" | curl $FLAGS -fsS -X "$1" -H @- "$API/$2"
}

look() { # REPOSITORY: find the project that has it, whose name is a part of its name
    [ "$(sed -n 1p "$place")" != "$1" ] || return 0
    project=$1
    while [ "${project#*/}" != "$project" ]; do
        path=projects/$(printf '%s\\n' "$project" | sed 's|/|%2F|g')/registry/repositories page=1
        while found=$(ask GET "$path?per_page=100&page=$page" 2> /dev/null); do
            id=$(printf '%s\\n' "$found" | jq -r --arg path "$1" '.[] | select(.path == $path) | .id')
            [ -z "$id" ] || { printf '%s\\n' "$1" "$path/$id/tags" > "$place"; return 0; }
            [ "$(printf '%s\\n' "$found" | jq length)" = 100 ] || break
            page=$((page + 1))
        done
        project=${project%/*}
    done
    return 1
}

digest_of() { # REPOSITORY TAG
    look "$1" && ask GET "$(sed -n 2p "$place")/$2" | jq -r '.digest // empty'
}

untag() { # REPOSITORY TAG
    look "$1" && ask DELETE "$(sed -n 2p "$place")/$2" > /dev/null
}"""

QUAY = """
QUAY_TOKEN=${QUAY_TOKEN:?set it to an OAuth access token with the right to write to repositories}
API=${API:-https://quay.io/api/v1}
FLAGS=${FLAGS:-} # more options for every call of curl

# shellcheck disable=SC2086
ask() { # METHOD PATH
    printf 'Authorization: Bearer %s\\n' "$QUAY_TOKEN" | curl $FLAGS -fsS -X "$1" -H @- "$API/$2"
}

digest_of() { # REPOSITORY TAG
    ask GET "repository/$1/tag/?onlyActiveTags=true&specificTag=$2" | jq -r '.tags[0].manifest_digest // empty'
}

untag() { ask DELETE "repository/$1/tag/$2" > /dev/null; } # REPOSITORY TAG"""

"""Shell functions that delete by the APIs of Docker Hub, GitLab and Quay: with curl, and jq for their answers.

Each defines `digest_of` and `untag`; Docker Hub has `tags_of` and `delete` too. The others delete tags only, and remove
by themselves what no tag reaches. Secrets come from the environment, and reach no command line. None was run against
the vendor.

Sources (2026): "Supported registry API for Docker Hub", DeleteImageManifest (only manifests that no tag and no index
names; deleting tags frees nothing), and for tags docker/hub-tool (`pkg/hub/tags.go`); the container registry API of
GitLab; the API of Quay 3, `/api/v1/repository/{repository}/tag/{tag}`.
"""

from __future__ import annotations

from blobkit.scripts.registry import ACCEPT

__all__ = ["GITLAB", "HUB", "QUAY"]

HUB = (
    """
: "${HUB_USER:?set it to the name of a user of Docker Hub}"
: "${HUB_TOKEN:?set it to an access token of that user, with the right to delete}"
export HUB_USER HUB_TOKEN
API=${API:-https://hub.docker.com} AUTH=${AUTH:-https://auth.docker.io} REGISTRY=${REGISTRY:-https://registry-1.docker.io}
FLAGS=${FLAGS:-} # more options for every call of curl
"""
    f"ACCEPT='{ACCEPT}'"
    """

# shellcheck disable=SC2086
registry() { # REPOSITORY TAG-OR-DIGEST OPTION...: ask for a manifest, with a token that is good for a few minutes
    path=$1/manifests/$2 asked="service=registry.docker.io&scope=repository:$1:pull,delete"
    shift 2
    token=$(printf 'Authorization: Basic %s\n' "$(printf '%s:%s' "$HUB_USER" "$HUB_TOKEN" | base64 | tr -d '\n')" |
        curl $FLAGS -fsS -H @- "$AUTH/token?$asked" | jq -r .token) || return 1
    printf 'Authorization: Bearer %s\n' "$token" |
        curl $FLAGS -sS -H @- -H "Accept: $ACCEPT" "$@" "$REGISTRY/v2/$path"
}

digest_of() { # REPOSITORY TAG-OR-DIGEST; a HEAD is no pull
    registry "$1" "$2" -f --head | tr -d '\r' | sed -n 's/^[Dd][Oo][Cc][Kk][Ee][Rr]-[Cc]ontent-[Dd]igest: *//p'
}

tags_of() { :; } # Docker Hub itself refuses to delete what another tag names

delete() { # REPOSITORY DIGEST TAG...
    name=$1 manifest=$2
    shift 2
    for tag; do
        untag "$name" "$tag" || return 1
    done
    case $(registry "$name" "$manifest" -o /dev/null -w '%{http_code}' -X DELETE) in
    2??) ;;
    500) ;; # Docker Hub tries again by itself
    403)
        changed="$changed $name "
        skip "$name@$manifest" "Docker Hub refuses: another tag or index names it, or you have no right to delete"
        ;;
    *) return 1 ;;
    esac
}

# shellcheck disable=SC2086
untag() { # REPOSITORY TAG
    token=$(jq -n '{identifier: env.HUB_USER, secret: env.HUB_TOKEN}' |
        curl $FLAGS -fsS -H 'Content-Type: application/json' --data-binary @- "$API/v2/auth/token" |
        jq -r .access_token) || return 1
    printf 'Authorization: Bearer %s\n' "$token" |
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

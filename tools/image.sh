#!/usr/bin/env bash
# Images for the current cluster.
#
#   tools/image.sh build NAME...   have these images in the cluster's reach; builds only what has changed (FORCE=1: all)
#   tools/image.sh env             PIN_NAME=... for each image built for this cluster, for tools/apply.sh
#   tools/image.sh clean           forget what was built for this cluster, so that all is built again
#
# NAME is a folder with a Dockerfile: s1, s2-v1, s2-v2, db, loader, graph, gatling, dynamodb. How an image gets to the pods
# depends on the cluster of the current context:
#
#   pocket     `python -m pocket build`, into its own store
#   minikube   built by minikube, inside the node
#   kind       docker build, loaded into the nodes
#   others     docker buildx build for PLATFORMS, pushed to REGISTRY/OWNER (config.mak)
#
# A tag says which version, and in a registry a second one which commit. The pin behind it says which build, so that
# what runs is what was built last. It is the digest that the registry has (with several platforms, or with a record of
# how it was built, that of the index, from which each node takes what fits it), or, where nodes hold images without a
# registry and so without a digest, an ending of the tag.
source "$(dirname "$0")/lib.sh"
cd "$root"

all_names() {
    local file
    for file in */Dockerfile s2/*/Dockerfile; do
        if [[ -e $file ]]; then
            file=${file%/Dockerfile}
            say "${file//\//-}"
        fi
    done
}

# The image's tag: s2-v1 is version v1 of cmpt756s2; a service with one version has v1.
tag_of() {
    local base=${1%%-*} version=v1
    [[ $1 != *-* ]] || version=${1#*-}
    say "${REGISTRY:?set it in config.mak and use make}/${OWNER:?set it in config.mak and use make}/cmpt756$base:$version"
}

# The commit that this is built from, with -dirty where files differ from it; $1: digits.
revision() { git describe --always --abbrev="$1" --dirty --exclude='*' 2>/dev/null || say unknown; }

# Ends where this machine cannot build for cluster kind $1.
require_builder() {
    case $1 in
        kind) command -v docker >/dev/null || die "docker is not installed; a kind cluster needs it too" ;;
        registry)
            : "${PLATFORMS:?set it in config.mak and use make}"
            command -v docker >/dev/null || die "docker is not installed: images are built with it"
            docker buildx version >/dev/null 2>&1 ||
                die "docker has no buildx: install its plugin (package docker-buildx-plugin or docker-buildx)"
            ;;
    esac
}

# The digest of the manifest, or with several platforms of the index, that buildx has pushed; $1: its metadata file.
pushed_digest() {
    grep -oE '"containerimage\.digest": *"sha256:[0-9a-f]{64}"' "$1" | grep -oE 'sha256:[0-9a-f]{64}'
}

# Build $1 (name) as $2 (tag) from $3 (Dockerfile) with fingerprint $4 for cluster kind $5; sets the variable `pin`.
make_image() {
    local name=$1 tag=$2 dockerfile=$3 print=$4 kind=$5 built
    local labels=(--label "org.opencontainers.image.revision=$(revision 40)") tags
    pin=-${print:0:12}
    case $kind in
        pocket)
            built=$(python -m pocket build --quiet -t "$tag" -f "$dockerfile" .)
            [[ $built == "$tag@sha256:"* ]] || die "pocket did not say which image it built for $name: $built"
            pin=@${built##*@}
            ;;
        minikube)
            minikube image build -t "$tag$pin" -f "$dockerfile" .
            ;;
        kind)
            docker build "${labels[@]}" -t "$tag$pin" -f "$dockerfile" .
            kind load docker-image "$tag$pin" --name "${context#kind-}"
            ;;
        registry)
            # A second tag leads from the registry to the commit.
            tags=(-t "$tag")
            if [[ $(revision 12) != unknown ]]; then tags+=(-t "$tag-$(revision 12)"); fi
            : >"$metadata"
            # Options: https://docs.docker.com/reference/cli/docker/buildx/build/
            docker buildx build --platform "$PLATFORMS" "${labels[@]}" \
                --push --metadata-file "$metadata" "${tags[@]}" -f "$dockerfile" . ||
                die "$tag is not built or not pushed; docker says above why. If $REGISTRY refused it:" \
                    "CR_PAT=... make -f k8s.mak registry-login"
            pin=@$(pushed_digest "$metadata") ||
                die "$tag: docker buildx did not say which digest it pushed. Is it current? docker buildx version"
            ;;
    esac
}

build() {
    local name dockerfile tag print prints pin kind wanted dockerfiles=()
    context=$(context_name)
    kind=$(context_kind "$context")
    mkdir -p "$stamps"
    (($# > 0)) || return 0
    for name in "$@"; do
        dockerfile=${name/-//}/Dockerfile
        [[ -e $dockerfile ]] || die "no image \"$name\" ($dockerfile is not there); known: $(all_names | xargs)"
        dockerfiles+=("$dockerfile")
    done
    prints=$(python tools/fingerprint.py "${dockerfiles[@]}")
    metadata=$(mktemp)
    trap 'rm -f "$metadata"' EXIT
    for name in "$@"; do
        dockerfile=${name/-//}/Dockerfile
        tag=$(tag_of "$name")
        print=${prints%%$'\n'*}
        prints=${prints#*$'\n'}
        wanted="$tag $print"
        # Elsewhere the cluster's own machine builds, for itself.
        if [[ $kind == registry ]]; then wanted+=" ${PLATFORMS:-}"; fi
        if [[ -z ${FORCE:-} && -e $stamps/$name && $(sed -n 1p "$stamps/$name") == "$wanted" ]]; then
            continue
        fi
        require_builder "$kind"
        say "image $tag: building"
        make_image "$name" "$tag" "$dockerfile" "$print" "$kind"
        printf '%s\n' "$wanted" "$pin" >"$stamps/$name.new"
        mv "$stamps/$name.new" "$stamps/$name"
        say "image $tag$pin"
    done
}

pins() {
    local stamp variable
    for stamp in "$stamps"/*; do
        [[ -e $stamp ]] || continue
        variable=$(printf '%s' "${stamp##*/}" | tr 'a-z-' 'A-Z_')
        say "PIN_$variable=$(sed -n 2p "$stamp")"
    done
}

command=${1:-}
case $command in
    build | env | clean) ;;
    *) die "usage: tools/image.sh build NAME... | env | clean" ;;
esac
shift
id=$(cluster_id)
stamps=$root/.cache/images/$id
case $command in
    build) build "$@" ;;
    env) pins ;;
    clean)
        rm -rf "$stamps"
        say "forgotten what was built for this cluster: the next deploy builds every image again"
        ;;
esac

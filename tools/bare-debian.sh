#!/usr/bin/env bash
# Try this checkout on a bare machine: tools/bare-debian.sh bookworm|trixie|forky FOLDER, as root.
#
# A minimal Debian made by debootstrap in FOLDER (kept, and used again), with what README asks for and an ordinary user
# without sudo, who gets a clone of what is committed here and does what README says: make up, the story, make demo, make
# down. Ends with 1 at the first step that fails. Needs debootstrap and some 3 GB; the network is that of this machine,
# so that ports 8080 and 20000 and following must be free (or POCKET_PORT_BASE and POCKET_GATEWAY_PORT say others).
source "$(dirname "$0")/lib.sh"
(($# == 2)) && [[ " bookworm trixie forky " == *" $1 "* ]] || die "usage: tools/bare-debian.sh bookworm|trixie|forky FOLDER"
((EUID == 0)) || die "only root can make a Debian in a folder"
command -v debootstrap >/dev/null || die "debootstrap is not installed: apt-get install debootstrap"
release=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
cd "$root"

if [[ ! -e $folder/.made ]]; then
    say "debootstrap $release"
    # A debootstrap that is older than the release does not know it by name; all of them are made as sid is.
    recipes=/usr/share/debootstrap/scripts
    recipe=$recipes/$release
    [[ -e $recipe ]] || recipe=$recipes/sid
    debootstrap --variant=minbase "$release" "$folder" "" "$recipe" >"$folder.log" 2>&1 ||
        die "debootstrap failed: see $folder.log"
    touch "$folder/.made"
fi
mount --bind /proc "$folder/proc"
mount --bind /dev "$folder/dev"
trap 'umount "$folder/dev" "$folder/proc"' EXIT
cp /etc/resolv.conf "$folder/etc/resolv.conf"

inside() { chroot "$folder" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "$@"; }
say "what README asks for"
inside DEBIAN_FRONTEND=noninteractive bash -ec '
    dpkg -s python3-venv make git curl ca-certificates >/dev/null 2>&1 && exit
    apt-get update -qq && apt-get install -qq -y --no-install-recommends python3-venv make git curl ca-certificates >/dev/null'
# Where this machine trusts more authorities than Debian does (a proxy that signs by itself), so must that one.
cp /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/ca-certificates.crt"
inside bash -ec 'id person >/dev/null 2>&1 || useradd --create-home --shell /bin/bash person'

rm -rf "$folder/home/person/c756"
git clone -q --no-hardlinks "$root" "$folder/home/person/c756"
inside chown -R person:person /home/person

# What a person types, as printed in README (its edits by sed), in one shell.
cat >"$folder/home/person/story.sh" <<'END'
set -eu -o pipefail
cd ~/c756
trap 'code=$?; if ((code != 0)); then make down; fi' EXIT  # what runs would keep the folder's mounts busy
step() { printf '\n=== %s (%s)\n' "$*" "$(date +%T)"; }
step "python $(python3 --version), $(uname -m)"
make up
export PATH="$PWD/.cache/bin:$PATH"
step "again: changes nothing, and the project's kubectl stays"
make setup up
test -x .cache/bin/kubectl
step "1. a song"
id=$(sed -n 2p gatling/resources/music.csv | cut -d, -f1)
curl --fail -sS -H "Authorization: Bearer $(tools/token.sh)" "http://$(tools/getip.sh)/api/v1/music/$id"
test "$(curl -s -o /dev/null -w '%{http_code}' "http://$(tools/getip.sh)/api/v1/music/$id")" = 401
step "2. traffic, without Java and Maven on the machine"
! command -v java mvn
tools/gatling.sh 5 ReadMusicSim --duration 20s --max-errors 1%
make -f k8s.mak kiali-url
step "3. version 2"
tools/s2ver.sh v2
step "4. and back"
tools/s2ver.sh v1
step "5. mended"
sed -i -E 's/^(PERCENT_ERROR\b[^=]*)= *[0-9]+/\1= 0/' s2/v2/app.py
tools/s2ver.sh v2
kubectl exec -n c756ns deploy/cmpt756s2-v2 -c cmpt756s2 -- cat app.py | grep 'PERCENT_ERROR.*= 0'
step "6. all of the traffic"
sed -i -E 's/weight: 90/weight: 0/; s/weight: 10$/weight: 100/' cluster/s2-vs-v2.yaml
kubectl apply -f cluster/s2-vs-v2.yaml
kubectl -n c756ns delete deploy/cmpt756s2-v1
git checkout -q s2 cluster
make -f k8s.mak scratch deploy
step "make demo"
make demo
du -sh --exclude=.git .
step "make down"
make down
step "all of it holds"
END
ports=(POCKET_PORT_BASE="${POCKET_PORT_BASE:-20000}" POCKET_GATEWAY_PORT="${POCKET_GATEWAY_PORT:-8080}")
inside su person --shell /bin/bash --command "env ${ports[*]} bash story.sh" --login

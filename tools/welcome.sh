#!/usr/bin/env bash
# What `make up` ends with: where things are, and what to type next.
source "$(dirname "$0")/lib.sh"
cd "$root"

address=$(tools/getip.sh)
cat <<END

C756 is up.

  traffic graph   http://$address/kiali/
  metrics         http://$address/grafana/
  Prometheus      http://$address/prometheus/
  the services    http://$address/api/v1/music/ID and /api/v1/user/ID, with a token from tools/token.sh

Next:
  tools/gatling.sh 2 ReadMusicSim    some traffic; ^C ends the watching, not the traffic
  tools/s2ver.sh v2                  10 % of it to version 2 of the music service: watch the graph
  tools/s2ver.sh v1                  and back again, without losing a request
END
if [[ -L .cache/bin/kubectl ]]; then
    cat <<END

This machine has no kubectl, or an old one. Take the project's:
  export PATH="$root/.cache/bin:\$PATH"
END
fi

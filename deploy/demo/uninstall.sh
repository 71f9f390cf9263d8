#!/usr/bin/env bash
# Removes all that install.sh has made, of whatever version, and what Aeraki has made for it. Aeraki itself stays.
# KUBECTL names another kubectl (with arguments).
set -euo pipefail
read -ra kubectl <<<"${KUBECTL:-kubectl}"
[ $# -eq 0 ] || { echo "no such argument: $1" >&2; exit 2; }
ours=(-l app.kubernetes.io/part-of=aeraki-demo --ignore-not-found)
namespaces=(aeraki-demo aeraki-demo-monitoring)
kinds=deployments,services,configmaps,serviceaccounts
istio=envoyfilters.networking.istio.io

# Whether the cluster has a kind. Istio or Aeraki may be gone already, and their kinds with them.
has() {
  [ -n "$("${kubectl[@]}" get crd "$1" --ignore-not-found -o name)" ]
}

# The EnvoyFilters of the demo's services, in whatever namespace, each as `<namespace> <name>`.
filters() {
  "${kubectl[@]}" get "$istio" -A -l manager=Aeraki \
    -o 'jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name}{"\n"}{end}' |
    grep -E ' aeraki-(out|in)bound-.*\.aeraki-demo\.svc\.' || true
}

for kind in virtualservices.networking.istio.io destinationrules.networking.istio.io redisservices.redis.aeraki.io; do
  if has "$kind"; then
    kinds+=,$kind
  fi
done
for namespace in "${namespaces[@]}"; do
  "${kubectl[@]}" -n "$namespace" delete "$kinds" "${ours[@]}"
done
"${kubectl[@]}" delete clusterrolebindings,clusterroles "${ours[@]}"
"${kubectl[@]}" delete namespaces "${ours[@]}" --timeout=300s

# Whether Aeraki runs: it removes its EnvoyFilters once it sees that the services are gone.
runs() {
  [ -n "$("${kubectl[@]}" get deployments -A -l app.kubernetes.io/name=aeraki \
    -o 'jsonpath={.items[*].status.availableReplicas}')" ]
}

# What it does not remove, since it is gone itself, is removed here.
if has "$istio"; then
  for _ in $(seq 30); do
    if [ -z "$(filters)" ] || ! runs; then
      break
    fi
    sleep 1
  done
  filters | while read -r namespace name; do
    "${kubectl[@]}" -n "$namespace" delete "$istio" "$name" --ignore-not-found
  done
fi
echo "The demo is gone."

#!/usr/bin/env bash
# Puts the demo into a cluster that has Istio and Aeraki. README.md says what there is to see then.
#   deploy/demo/install.sh             waits until all of it runs
#   deploy/demo/install.sh --no-wait   does not
# KUBECTL names another kubectl (with arguments).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
read -ra kubectl <<<"${KUBECTL:-kubectl}"
namespaces=(aeraki-demo aeraki-demo-monitoring)
wait=yes
for argument in "$@"; do
  case $argument in
    --no-wait) wait=no ;;
    *) echo "no such argument: $argument" >&2; exit 2 ;;
  esac
done

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

# Whether there is anything of this kind with this name or label.
has() {
  [ -n "$("${kubectl[@]}" get "$@" --ignore-not-found -o name)" ]
}

command -v "${kubectl[0]}" >/dev/null || fail "There is no ${kubectl[0]}: install kubectl first."
"${kubectl[@]}" get namespace default >/dev/null || fail "The cluster cannot be reached; see above."
has crd virtualservices.networking.istio.io ||
  fail "The cluster has no Istio: install it first, for example by \`istioctl install\`."
has mutatingwebhookconfigurations -l app=sidecar-injector ||
  fail "Istio injects no sidecars here: the demo needs its sidecar injector."
has crd redisservices.redis.aeraki.io ||
  fail "The cluster has no RedisService: \`aeraki manifests --crds | kubectl apply -f -\` first (docs/install.md)."
has deployments -A -l app.kubernetes.io/name=aeraki ||
  fail "The cluster has no Aeraki: install it first (docs/install.md)."
for namespace in "${namespaces[@]}"; do
  if has namespace "$namespace" && ! has namespace -l "app.kubernetes.io/part-of=aeraki-demo,kubernetes.io/metadata.name=$namespace"; then
    fail "There is a namespace $namespace that is not the demo's: nothing was changed."
  fi
done

"${kubectl[@]}" apply -k "$here"
if [ "$wait" = yes ]; then
  for namespace in "${namespaces[@]}"; do
    "${kubectl[@]}" -n "$namespace" wait --for=condition=available --timeout=300s deployment --all
  done
fi
cat <<'END'

The demo is installed. The dashboard, on http://localhost:3000 after
  kubectl -n aeraki-demo-monitoring port-forward service/grafana 3000
Whom calls reach:
  kubectl -n aeraki-demo logs -f deployment/orders-client
END

#!/bin/sh
# Removes everything of Aeraki from a cluster, however it was installed but for a Helm release (`helm uninstall` it first).
#   deploy/uninstall.sh                     the controller and its EnvoyFilters
#   deploy/uninstall.sh --with-redis-crds   RedisService and RedisDestination too, with every object of theirs
# KUBECTL names another kubectl (with arguments), NAMESPACE where the controller is.
set -eu
kubectl=${KUBECTL:-kubectl}
namespace=${NAMESPACE:-istio-system}
crds=no
for argument in "$@"; do
  case $argument in
    --with-redis-crds) crds=yes ;;
    *) echo "no such argument: $argument" >&2; exit 2 ;;
  esac
done

# Istio or the Prometheus operator may be gone already, and its kinds with it.
has() {
  [ -n "$($kubectl get crd "$1" --ignore-not-found -o name)" ]
}

# The controller first, and its pods gone before the rest: they would make the EnvoyFilters again.
$kubectl -n "$namespace" delete deployment aeraki --ignore-not-found
$kubectl -n "$namespace" wait --for=delete pod -l app=aeraki --timeout=60s
$kubectl -n "$namespace" delete service,serviceaccount,poddisruptionbudget aeraki --ignore-not-found
if has servicemonitors.monitoring.coreos.com; then
  $kubectl -n "$namespace" delete servicemonitor aeraki --ignore-not-found
fi
# `aeraki` and `aeraki-migration`, `aeraki-writer` in each namespace that it may write to, and `aeraki-secrets` where it reads
# Secrets. A binding tells whose it is by
# its subject; the role goes first, so that a second run finds what a first one has left.
bindings=$($kubectl get rolebindings -A -l app.kubernetes.io/name=aeraki \
  -o 'jsonpath={range .items[*]}{.subjects[0].namespace}/{.metadata.namespace}/{.metadata.name}{"\n"}{end}')
for binding in $(printf '%s\n' "$bindings" | grep -E "^$namespace/[^/]+/aeraki(-migration|-writer|-secrets)?\$"); do
  place=${binding#*/}
  $kubectl -n "${place%/*}" delete role "${place#*/}" --ignore-not-found
  $kubectl -n "${place%/*}" delete rolebinding "${place#*/}" --ignore-not-found
done
$kubectl -n "$namespace" delete role,rolebinding aeraki --ignore-not-found
$kubectl delete clusterrole,clusterrolebinding aeraki --ignore-not-found
$kubectl -n "$namespace" delete lease aeraki-controller --ignore-not-found

# Ours by label and name, as the controller has it; Go Aeraki's are the same. They have no finalizer.
if has envoyfilters.networking.istio.io; then
  filters=$($kubectl get envoyfilters.networking.istio.io -A -l manager=Aeraki \
    -o 'jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name}{"\n"}{end}')
  filters=$(printf '%s\n' "$filters" | grep -E '^[^/]+/aeraki-(out|in)bound-' || true)
  for place in $(printf '%s\n' "$filters" | cut -d/ -f1 | sort -u); do
    # As many at a time as a command line holds.
    printf '%s\n' "$filters" | sed -n "s|^$place/||p" |
      xargs $kubectl -n "$place" delete envoyfilters.networking.istio.io --ignore-not-found
  done
fi

if [ "$crds" = yes ]; then
  $kubectl delete crd redisservices.redis.aeraki.io redisdestinations.redis.aeraki.io --ignore-not-found
fi

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
$kubectl delete role,rolebinding -A -l app.kubernetes.io/name=aeraki
$kubectl delete clusterrole,clusterrolebinding aeraki --ignore-not-found
$kubectl -n "$namespace" delete lease aeraki-controller --ignore-not-found

# They have no finalizer. The second label is that of Go Aeraki, whose objects are adopted as they are.
if has envoyfilters.networking.istio.io; then
  $kubectl delete envoyfilters.networking.istio.io -A -l app.kubernetes.io/managed-by=aeraki
  $kubectl delete envoyfilters.networking.istio.io -A -l manager=Aeraki
fi

if [ "$crds" = yes ]; then
  $kubectl delete crd redisservices.redis.aeraki.io redisdestinations.redis.aeraki.io --ignore-not-found
fi

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

# The controller first, and gone before the rest: it would make its EnvoyFilters again.
$kubectl -n "$namespace" delete deployment aeraki --ignore-not-found --cascade=foreground
$kubectl -n "$namespace" delete service,serviceaccount,poddisruptionbudget aeraki --ignore-not-found
$kubectl -n "$namespace" delete role,rolebinding aeraki aeraki-migration --ignore-not-found
$kubectl delete role,rolebinding -A -l app.kubernetes.io/name=aeraki
$kubectl delete clusterrole,clusterrolebinding aeraki --ignore-not-found
$kubectl -n "$namespace" delete lease aeraki-controller --ignore-not-found

# They have no finalizer. The second label is that of Go Aeraki, whose objects are adopted as they are.
$kubectl delete envoyfilters.networking.istio.io -A -l app.kubernetes.io/managed-by=aeraki
$kubectl delete envoyfilters.networking.istio.io -A -l manager=Aeraki

if [ "$crds" = yes ]; then
  $kubectl delete crd redisservices.redis.aeraki.io redisdestinations.redis.aeraki.io --ignore-not-found
fi

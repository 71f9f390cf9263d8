//! Every code that core and the file source can report. A protocol adds its own through its registration.
//!
//! The numbers: 00xx reading, 010x which ports are ours, 011x annotations, 012x listeners, 013x the inbound side,
//! 014x scope, 015x protocols that stock proxies lack, 020x routing rules, 040x what istiod sends, 041x the API server,
//! 09xx generation. Protocol crates use 05xx.

use super::{Code, Severity};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $id:literal $severity:ident $title:literal, $explanation:literal, $remedy:literal;)*) => {
        $(
            #[doc = $title]
            pub static $name: Code = Code {
                id: $id,
                severity: Severity::$severity,
                title: $title,
                explanation: $explanation,
                remedy: $remedy,
            };
        )*
        /// All of them, by id.
        pub static CATALOGUE: &[&Code] = &[$(&$name),*];
    };
}

codes! {
    UNREADABLE = "AER0001" Error "the document is not valid YAML, JSON or not of its type",
        "The document could not be read, so nothing of it is used. In `aeraki run` the object keeps the last good state it had. Where there is none, as in `aeraki generate`, the services that the text names get no filter (AER0903), and all others are unaffected.",
        "Mend the document where the message points.";
    UNKNOWN_FIELD = "AER0002" Warning "unknown field",
        "Istio ignores fields that it does not know, without a word, and so does Aeraki: what the field was meant to say has no effect.",
        "Correct the spelling or the place of the field, or remove it.";
    YAML_BOOLEAN_KEY = "AER0003" Warning "a bare key that YAML 1.1 reads as a boolean",
        "kubectl and Istio's tools read YAML 1.1, where a bare key y, n, yes, no, on or off becomes \"true\" or \"false\". Aeraki reads YAML 1.2, where it stays as written. The same file would mean two things.",
        "Put the key in quotes.";
    DUPLICATE_OBJECT = "AER0004" Warning "the same object is defined twice",
        "Two documents carry the same kind, namespace and name. The first one counts, by file name and then by place in the file.",
        "Remove or rename one of them.";
    REFUSED_OBJECT = "AER0005" Error "the object lacks something it cannot do without",
        "Istio's own validation would refuse this object, so the part that is wrong gets no filter.",
        "Complete the object as the message says.";

    NOT_OURS = "AER0100" Info "not a port of ours",
        "The port's name does not have the form `tcp-<protocol>[-<name>]`, so Istio alone handles it.",
        "Nothing. To have Aeraki manage the port, name it `tcp-<protocol>`.";
    UNKNOWN_PROTOCOL = "AER0101" Warning "the port name names no protocol that Aeraki knows",
        "The port's name begins with `tcp-`, and its second field is no protocol of this binary; or it names a protocol without that prefix. The port stays plain TCP.",
        "If it should be a protocol of Aeraki's, name it `tcp-<protocol>[-<name>]`; `aeraki protocols` lists the names.";
    NOT_TCP = "AER0102" Warning "the port's protocol is not TCP",
        "The name asks for Aeraki, but Istio builds another kind of listener for the port's `protocol` (an HTTP listener has no tcp_proxy to replace, for example), so there is nothing a filter could be put on.",
        "Set the port's `protocol` to TCP.";
    DISABLED_PROTOCOL = "AER0103" Info "the protocol is switched off",
        "The port names a protocol that this binary has, but that is off: by default, because stock Istio proxies lack its Envoy filter, or by the settings. The port stays plain TCP.",
        "Switch it on with `--enable-protocol <name>` where the proxies have the filter.";

    MISSING_ANNOTATION = "AER0110" Info "an annotation that the protocol reads is missing",
        "The protocol works without the annotation, with the default that the message names.",
        "Add the annotation to say it exactly.";
    INVALID_ANNOTATION = "AER0111" Error "an annotation has a value that cannot be used",
        "The annotation is ignored as a whole; what it was meant to set keeps its default.",
        "Correct the value as the message says.";

    UNKNOWN_ANNOTATION = "AER0112" Warning "unknown annotation",
        "The annotation's prefix is one of Aeraki's or of a protocol's, or its name is nearly one that is read, but nobody reads it on an object of this kind, so it has no effect.",
        "Correct the name, or move it; `aeraki protocols -o wide` lists the annotations.";

    NO_ADDRESS = "AER0120" Info "the service has no address of its own",
        "Without an address the service's outbound listener has no name of its own. Aeraki patches the names that Istio may give it: the address that istiod allocates, and the wildcard listener of the port where no older service owns it.",
        "Give the service an address (a ServiceEntry's `spec.addresses`), and its listener cannot be taken for another's.";
    DUPLICATE_HOST = "AER0121" Warning "two services claim the same host and port",
        "Istio gives a host and port that are claimed twice to the oldest claimant (by name, where the objects carry no creation time). The other one gets no outbound filter.",
        "Remove or rename one of the two, or part them by `exportTo`.";
    LISTENER_CLASH = "AER0122" Warning "the listener belongs to an older service",
        "Istio builds one listener per address and port and gives it to the oldest service (by name, where the objects carry no creation time). A filter for the other service would land on the owner's traffic, so none is written.",
        "Give the service an address or a port of its own.";
    INBOUND_CLASH = "AER0123" Warning "another service with the same selector owns the inbound port",
        "Two services select the same workloads and lead to the same target port with different protocols. The oldest keeps the inbound filter.",
        "Name the two ports for the same protocol, or use different target ports.";
    CIDR_ADDRESS = "AER0124" Warning "an address range has no listener of its own",
        "For an address range Istio adds an unnamed filter chain to the wildcard listener of the port, which other services share. No filter can be put on that chain alone.",
        "List single addresses.";
    NO_LISTENER = "AER0125" Warning "no listener of the service can be named",
        "None of the service's listeners has a name that is known here, and its port number is used by other services too, so a filter would reach their traffic as well. The port stays plain TCP on the client side.",
        "Give the service an address, or a port number that no other service uses.";

    NO_SELECTOR = "AER0130" Info "no inbound filter: the service selects no workloads",
        "An inbound filter must be confined to the service's own workloads, and the service does not say which they are.",
        "Add `spec.workloadSelector` (or the annotation `workloadSelector`) if the servers run in the mesh.";
    INBOUND_IN_ROOT = "AER0131" Warning "no inbound filter in the root namespace",
        "An EnvoyFilter of the root namespace applies its selector to the workloads of every namespace, so an inbound filter there could reach somebody else's.",
        "Move the service out of the root namespace.";
    TARGET_PORT_UNKNOWN = "AER0132" Warning "the named target port is not known",
        "The inbound side is matched by the number of the target port. The Service gives a name, and no EndpointSlice tells its number.",
        "Use a number as `targetPort`, or give the EndpointSlices as well.";
    INVALID_SELECTOR = "AER0133" Error "the annotation `workloadSelector` cannot be read",
        "The annotation has the form `<label>:<value>`, or `<value>` for the label `app`. Without a selector there is no inbound filter.",
        "Correct the annotation, or use `spec.workloadSelector`.";
    FORBIDDEN_CHARACTER = "AER0134" Error "a name contains characters that no name may have",
        "A vertical bar, a space or a control character in a host, subset or interface would change the meaning of the Envoy names that are made of it.",
        "Correct the name.";

    ROOT_EXPORT = "AER0140" Warning "exportTo cannot be honoured for the root namespace alone",
        "A filter in the root namespace reaches the whole mesh, which is more than the service's `exportTo` allows, so none is written for that namespace.",
        "Export the service to `*`, or to other namespaces.";
    CONFIDENTIAL = "AER0141" Warning "a filter with a credential stays in the service's own namespace",
        "A filter that holds a password in clear text is never written to the root namespace, where every sidecar would receive it. Clients in other namespaces get no filter.",
        "Refer to the credential by file or environment variable instead.";

    GATED = "AER0150" Info "only proxies that announce the Envoy filter get it",
        "Stock Istio proxies lack this protocol's Envoy filter and would reject the listener. The filter is therefore matched to proxies whose node metadata says that they have it.",
        "Set the metadata that the message names on capable proxies (`ISTIO_META_<KEY>`).";
    DUBBO_AUTHORIZATION = "AER0160" Warning "DubboAuthorizationPolicy is not enforced",
        "Go Aeraki turned this kind into an Envoy filter that no known Envoy has, so a proxy would refuse the whole listener. Aeraki does not use it, and the service is not protected by it.",
        "Use Istio's AuthorizationPolicy for the port.";

    INEXPRESSIBLE = "AER0200" Warning "the protocol cannot express this field",
        "A match that cannot be expressed takes its whole entry out: leaving out the condition alone would match more calls than asked. A setting of a route that cannot be expressed has no effect, and the route itself stays.",
        "Remove the field, or use one that `aeraki protocols -o wide` lists for the protocol.";
    UNDEFINED_SUBSET = "AER0201" Warning "no visible DestinationRule defines the subset",
        "Istio makes a subset's cluster from a DestinationRule. Until one defines it the calls sent there fail, as they do in Istio; they do not fall through to another version.",
        "Define the subset in a DestinationRule of the service's namespace, or correct its name.";
    WEIGHTS = "AER0202" Warning "weights are not what they seem",
        "Several destinations share the calls in proportion to their weights. An absent weight is 0 and gets no calls, a negative one is no weight, and a sum other than 100 makes the numbers proportions and not percentages.",
        "Give every destination a positive weight, 100 in all.";
    NO_DESTINATION = "AER0205" Warning "the rule leads to no destination: its calls fail",
        "A redirect, a direct response, a delegate, an empty rule, or destinations that all have weight 0 cannot be served by this protocol. Calls that match the rule fail; they are not sent to a version that nobody named.",
        "Give the rule a `route` with a destination.";
    INVALID_REGEX = "AER0206" Warning "Envoy would refuse the regular expression",
        "Envoy refuses the whole listener over one bad expression, so the entry that holds it is left out. The rules: RE2 syntax, at most 1024 characters, no repeat over 1000, not empty.",
        "Rewrite the expression as the message says.";
    UNKNOWN_DESTINATION = "AER0207" Warning "the destination is no known service, or no port of it",
        "No ServiceEntry or Service has the destination's host, or the one that has it lacks the port, so Istio has no cluster for it and calls sent there fail.",
        "Correct the host or the port, or add the service.";
    IDLE_RULE = "AER0208" Warning "the rule applies to no service",
        "No ServiceEntry or Service that is known here has a host of the rule's, so it has no effect. For the kinds of Aeraki's own protocols only services of the same namespace count.",
        "Correct the host, or add the service.";
    UNUSED_VIRTUAL_SERVICE = "AER0209" Info "the VirtualService does not apply to the service",
        "Only rules of the service's own namespace and of the root namespace count, so that one namespace cannot change another's service. The setting `ruleSource: istio` lifts that.",
        "Move the rule to the service's namespace.";
    SHADOWED_VIRTUAL_SERVICE = "AER0210" Warning "another VirtualService for the host goes first",
        "One VirtualService applies to a host: the most specific host, then the oldest, then by name and namespace. This one has no effect there.",
        "Merge the two.";
    NEVER_MATCHES = "AER0211" Warning "the condition matches no call",
        "An exact match with an empty name can match no call, so the entry is left out.",
        "Name the method or the value.";

    FILTER_ABSENT = "AER0301" Error "a proxy lacks the filter that the service needs",
        "The proxy was built without it, so it refuses the whole listener and goes on with the one it had. A stock proxy has all filters but Kafka's.",
        "Run those clients on a proxy that has the filter, or switch the protocol off for them: see the setting proxyMetadata.";
    PROXY_REJECTED = "AER0304" Error "a proxy refuses the listener or cluster that an EnvoyFilter goes into",
        "The proxy goes on with what it accepted before; if there is nothing before, the port does not work there. Other EnvoyFilters on the same listener may be the cause.",
        "Correct what the proxy says; report it if the object is right.";
    RIVAL_FILTER = "AER0305" Warning "another EnvoyFilter takes the listener first",
        "Where several EnvoyFilters replace the TCP proxy of a listener, Istio applies the first one and silently drops the others: by priority, then those of the root namespace, then the oldest. Calls go by that one's rules and not by ours.",
        "Remove the other EnvoyFilter, or narrow what it matches.";
    UNPUBLISHED_STATISTICS = "AER0306" Info "sidecars do not publish the protocol's statistics",
        "Sidecars publish what Istio itself needs, and of all else what the mesh's proxyStatsMatcher lets through: the protocol's counters are not among it, so they do not reach Prometheus. Traffic is not affected. Pods with annotations of their own may publish them all the same.",
        "Add what docs/statistics.md lists to `defaultConfig.proxyStatsMatcher` of the mesh, and restart the pods; or leave it if nobody looks at them.";

    UNREADABLE_RESOURCE = "AER0400" Error "istiod sent an object that cannot be read",
        "The object stays as it was last read. If it has never been readable, it is not used, and filters that it may bear on stay as they are. Other objects are not affected. Istiod is told so, and writes it to its log.",
        "Look at the object with `kubectl get -o yaml` and mend or remove it; if nothing is wrong with it, compare the versions of istiod and Aeraki.";
    FOREIGN_OBJECT = "AER0401" Error "the EnvoyFilter's name is taken by somebody else's object",
        "An object that does not carry the label `manager: Aeraki`, or not a name of Aeraki's form, is never changed. The service has no filter of ours as long as it is there.",
        "Remove that EnvoyFilter, or give it another name.";
    TORN_ANSWER = "AER0402" Error "istiod's answer holds something that is nobody knows what",
        "A part of the answer is damaged, so that not even a name can be read from it. Any object that the answer lacks may be that one, so nothing is written before a whole answer has come.",
        "Compare the versions of istiod and Aeraki, and look into istiod's log.";
    UNSERVED_KIND = "AER0410" Info "the API server does not have this kind",
        "Its CustomResourceDefinition is not installed, so there are no objects of the kind. It is asked for again every 30 seconds, and watched as soon as it is there.",
        "Install the CustomResourceDefinition if you want to use the kind: `aeraki manifests --crds` prints those of Aeraki's own kinds.";
    UNLISTED_KIND = "AER0411" Error "objects of this kind cannot be read from the API server",
        "What was seen of them before still counts. As long as a kind has not been read once, nothing is changed or deleted, because an object that cannot be seen would look deleted.",
        "See the message: grant the verbs that it names, or look why the API server does not answer.";
    WRITE_FAILED = "AER0420" Error "the EnvoyFilter cannot be written to the API server",
        "It is tried again, at growing intervals. Until then the proxies go by what is there; other EnvoyFilters are not affected.",
        "See the message: grant the verb that it names, or mend what refuses the object.";
    CONTESTED = "AER0421" Warning "somebody else keeps changing the EnvoyFilter",
        "It has been put right again and again within a minute. Repairs of it slow down, to one in five minutes at most; until the next one the proxies go by what the other wrote.",
        "Find who writes it (`metadata.managedFields`), and end that: a second Aeraki with another election ID, say, or a tool that applies an old copy.";

    GENERATION_FAILED = "AER0900" Error "no filter could be made; the last good one is kept",
        "Something in the service or in what belongs to it is wrong. Whatever filters the service had before stay as they are, and no other service is affected.",
        "Correct what the message names.";
    GENERATOR_PANICKED = "AER0901" Error "the protocol's generator failed unexpectedly; the last good filter is kept",
        "This is a defect of Aeraki or of a protocol crate, not of the config. The service keeps the filters that it had, and no other service is affected.",
        "Report it with the object that the message names.";
    WOULD_BE_REJECTED = "AER0902" Error "Envoy would refuse the filter; the last good one is kept",
        "The finished filter breaks a rule that makes Envoy refuse the whole listener or cluster, or crash. It is not written.",
        "Correct what the message names; report it if nothing is wrong there.";
    WITHHELD = "AER0903" Error "no filter: something that could not be read may be about the service",
        "A document that could not be read has the service's host in it. It may be the rule that routes its calls or asks for a password, and a filter without it would do more than was asked for, so none is made.",
        "Mend the document that the message names.";
    TOO_LARGE = "AER0904" Error "the EnvoyFilter would be too large to be written; the last good one is kept",
        "etcd takes no object of more than 1.5 MiB, and istiod hands it to every proxy it is for. The spec may have 1 MiB, which is some thousands of routes; a service without an address has its routes once for each listener that it may have.",
        "Let the VirtualService have fewer routes, or one regular expression in the place of many exact matches; give the service an address.";
}

#[cfg(test)]
mod tests {
    use super::CATALOGUE;

    #[test]
    fn ids_are_sorted_unique_and_well_formed() {
        for pair in CATALOGUE.windows(2) {
            assert!(
                pair[0].id < pair[1].id,
                "{} before {}",
                pair[0].id,
                pair[1].id
            );
        }
        for code in CATALOGUE {
            assert!(
                code.id.len() == 7 && code.id.starts_with("AER"),
                "{}",
                code.id
            );
        }
    }
}

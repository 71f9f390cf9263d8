package net.aeraki.conformance;

/** A second interface on the provider's port. */
public interface Teller {
    String tell(String caller);
}

package net.aeraki.conformance;

/** What the provider offers. Every answer is the provider's own name, so that a call tells who served it. */
public interface Greeter {
    String greet(String caller);

    String bye(String caller);

    String add(int one, int other);
}

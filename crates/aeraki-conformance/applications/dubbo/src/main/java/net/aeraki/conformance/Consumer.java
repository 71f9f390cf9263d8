package net.aeraki.conformance;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonSyntaxException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.ReferenceConfig;
import org.apache.dubbo.config.RegistryConfig;
import org.apache.dubbo.rpc.RpcContext;

/**
 * Calls a provider as it is told: one request in JSON on each line of the input, one answer on each line of the output.
 *
 * <p>A request is {@code {"address": "240.240.1.1:20880", "interfaceName": "Greeter", "method": "greet", "attachments": {},
 * "group": null, "version": null, "parameters": "serialization=hessian2", "calls": 1, "fresh": false}}, where parameters are
 * those of the provider's URL; the answer counts who served, and what went wrong how often:
 * {@code {"served": {"v1": 9}, "failed": {"RemotingException": 1}}}. All requests to one address share a connection, unless they ask for a fresh one.
 */
public final class Consumer {
    private static final int TIMEOUT_MILLISECONDS = 5_000;

    private record Request(
            String address,
            String interfaceName,
            String method,
            Map<String, String> attachments,
            String group,
            String version,
            String parameters,
            int calls,
            boolean fresh) {}

    private record Answer(Map<String, Integer> served, Map<String, Integer> failed) {}

    private record Target(String url, String group, String version) {}

    private final ApplicationConfig application = Provider.application("consumer");
    private final Map<Target, ReferenceConfig<?>> references = new HashMap<>();

    public static void main(String[] arguments) throws IOException {
        // Whatever a library prints goes with the log, so that the output holds answers alone.
        PrintStream answers = System.out;
        System.setOut(System.err);
        // Reasons are read by people.
        Gson gson = new GsonBuilder().disableHtmlEscaping().create();
        Consumer consumer = new Consumer();
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            answers.println(gson.toJson(consumer.answer(request(gson, line))));
            answers.flush();
        }
        // Dubbo's threads would keep the process.
        System.exit(0);
    }

    private static Request request(Gson gson, String line) {
        try {
            return gson.fromJson(line, Request.class);
        } catch (JsonSyntaxException wrong) {
            throw new IllegalArgumentException("no request: " + line, wrong);
        }
    }

    private Answer answer(Request request) {
        Map<String, Integer> served = new TreeMap<>();
        Map<String, Integer> failed = new TreeMap<>();
        if (request.fresh) {
            // Dubbo lets all references to an address share a connection, so all of them go.
            references.values().forEach(ReferenceConfig::destroy);
            references.clear();
        }
        for (int call = 0; call < Math.max(1, request.calls); call++) {
            try {
                served.merge(call(request), 1, Integer::sum);
            } catch (RuntimeException wrong) {
                failed.merge(reason(wrong), 1, Integer::sum);
            }
        }
        return new Answer(served, failed);
    }

    private String call(Request request) {
        if (request.attachments != null) {
            request.attachments.forEach((key, value) -> RpcContext.getContext().setAttachment(key, value));
        }
        return switch (request.interfaceName + "." + request.method) {
            case "Greeter.greet" -> reference(request, Greeter.class).greet("caller");
            case "Greeter.bye" -> reference(request, Greeter.class).bye("caller");
            case "Greeter.add" -> reference(request, Greeter.class).add(1, 2);
            case "Teller.tell" -> reference(request, Teller.class).tell("caller");
            default -> throw new IllegalArgumentException("no such method: " + request.method);
        };
    }

    @SuppressWarnings("unchecked")
    private <T> T reference(Request request, Class<T> type) {
        String parameters = request.parameters == null ? "" : "?" + request.parameters;
        String url = "dubbo://" + request.address + "/" + type.getName() + parameters;
        Target target = new Target(url, request.group, request.version);
        ReferenceConfig<?> kept = references.computeIfAbsent(target, absent -> {
            ReferenceConfig<T> reference = new ReferenceConfig<>();
            reference.setApplication(application);
            reference.setRegistry(new RegistryConfig("N/A"));
            reference.setInterface(type);
            reference.setUrl(url);
            reference.setGroup(request.group);
            reference.setVersion(request.version);
            reference.setTimeout(TIMEOUT_MILLISECONDS);
            reference.setRetries(0);
            reference.setCheck(false);
            return reference;
        });
        return ((ReferenceConfig<T>) kept).get();
    }

    /** The innermost cause says most: `RemotingException: …`. */
    private static String reason(Throwable wrong) {
        Throwable cause = wrong;
        while (cause.getCause() != null && cause.getCause() != cause) {
            cause = cause.getCause();
        }
        String message = String.valueOf(cause.getMessage());
        int end = message.indexOf('\n');
        return cause.getClass().getSimpleName() + ": " + (end < 0 ? message : message.substring(0, end));
    }
}

package net.aeraki.conformance;

import java.util.List;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.ProtocolConfig;
import org.apache.dubbo.config.RegistryConfig;
import org.apache.dubbo.config.ServiceConfig;

/**
 * Serves {@link Greeter}, once plain and once as group "blue" and version "2.0.0", and {@link Teller}, without a registry.
 *
 * <p>Usage: {@code Provider NAME PORT}. It prints {@code published URL}, which is what a registry would tell consumers of
 * {@link Greeter}, and {@code ready} when calls can come.
 */
public final class Provider {
    private record Named(String name) implements Greeter, Teller {
        @Override
        public String greet(String caller) {
            return name;
        }

        @Override
        public String bye(String caller) {
            return name;
        }

        @Override
        public String add(int one, int other) {
            return name;
        }

        @Override
        public String tell(String caller) {
            return name;
        }
    }

    public static void main(String[] arguments) throws InterruptedException {
        Named named = new Named(arguments[0]);
        ApplicationConfig application = application("provider");
        ProtocolConfig protocol = new ProtocolConfig("dubbo", Integer.parseInt(arguments[1]));
        // As a framework does with what it is configured by: Dubbo's defaults come in here.
        protocol.refresh();
        List<ServiceConfig<?>> services = List.of(
                service(Greeter.class, named, null, null),
                service(Greeter.class, named, "blue", "2.0.0"),
                service(Teller.class, named, null, null));
        for (ServiceConfig<?> service : services) {
            service.setApplication(application);
            service.setRegistry(new RegistryConfig("N/A"));
            service.setProtocol(protocol);
            service.export();
        }
        System.out.println("published " + services.get(0).getExportedUrls().get(0));
        System.out.println("ready");
        Thread.currentThread().join();
    }

    /** Without the console that Dubbo opens by itself. */
    static ApplicationConfig application(String name) {
        ApplicationConfig application = new ApplicationConfig(name);
        application.setQosEnable(false);
        return application;
    }

    private static <T> ServiceConfig<T> service(Class<T> type, T served, String group, String version) {
        ServiceConfig<T> service = new ServiceConfig<>();
        service.setInterface(type);
        service.setRef(served);
        service.setGroup(group);
        service.setVersion(version);
        return service;
    }
}

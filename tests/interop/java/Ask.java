import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.List;
import okhttp3.MediaType;
import okhttp3.OkHttpClient;
import okhttp3.Protocol;
import okhttp3.Request;
import okhttp3.RequestBody;
import org.apache.hc.client5.http.classic.methods.HttpGet;
import org.apache.hc.client5.http.classic.methods.HttpPost;
import org.apache.hc.client5.http.config.RequestConfig;
import org.apache.hc.client5.http.impl.classic.HttpClients;
import org.apache.hc.core5.http.io.entity.EntityUtils;
import org.apache.hc.core5.http.io.entity.StringEntity;
import org.apache.hc.core5.util.Timeout;

/** GET a URL and POST two bytes to it, twice, with a client as it is by default; prints statuses and versions. */
public class Ask {
    static final Duration PATIENCE = Duration.ofSeconds(20);

    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 3) {
            System.err.println("usage: Ask.java jdk|apache|okhttp URL at-once|when-asked");
            System.exit(1);
        }
        var url = arguments[1];
        // Whether the body waits for a 100 (Continue).
        var waits = arguments[2].equals("when-asked");
        switch (arguments[0]) {
            case "jdk" -> jdk(URI.create(url), waits);
            case "apache" -> apache(url, waits);
            case "okhttp" -> okhttp(url, waits);
            default -> throw new IllegalArgumentException(arguments[0]);
        }
    }

    static void jdk(URI url, boolean waits) throws Exception {
        var client = HttpClient.newHttpClient();
        for (var round = 0; round < 2; round++) {
            var get = HttpRequest.newBuilder(url).timeout(PATIENCE).build();
            var post = HttpRequest.newBuilder(url).timeout(PATIENCE).expectContinue(waits)
                    .POST(BodyPublishers.ofString("hi")).build();
            for (var request : List.of(get, post)) {
                var answer = client.send(request, BodyHandlers.ofString());
                System.out.println(request.method() + " " + answer.statusCode() + " " + answer.version());
            }
        }
    }

    static void apache(String url, boolean waits) throws Exception {
        var patience = Timeout.of(PATIENCE);
        var config = RequestConfig.custom().setExpectContinueEnabled(waits).setResponseTimeout(patience).build();
        try (var client = HttpClients.custom().setDefaultRequestConfig(config).build()) {
            for (var round = 0; round < 2; round++) {
                var post = new HttpPost(url);
                post.setEntity(new StringEntity("hi"));
                for (var request : List.of(new HttpGet(url), post)) {
                    client.execute(request, answer -> {
                        EntityUtils.consume(answer.getEntity());
                        System.out.println(request.getMethod() + " " + answer.getCode() + " " + answer.getVersion());
                        return null;
                    });
                }
            }
        }
    }

    /** Over HTTP/2, without TLS and without an upgrade. */
    static void okhttp(String url, boolean waits) throws Exception {
        var client = new OkHttpClient.Builder().protocols(List.of(Protocol.H2_PRIOR_KNOWLEDGE))
                .readTimeout(PATIENCE).build();
        for (var round = 0; round < 2; round++) {
            var get = new Request.Builder().url(url).build();
            var post = new Request.Builder().url(url).post(RequestBody.create("hi", MediaType.get("text/plain")));
            if (waits) {
                post.header("Expect", "100-continue");
            }
            for (var request : List.of(get, post.build())) {
                try (var answer = client.newCall(request).execute()) {
                    System.out.println(request.method() + " " + answer.code() + " " + answer.protocol());
                }
            }
        }
        Runtime.getRuntime().halt(0);
    }
}

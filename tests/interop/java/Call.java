import io.modelcontextprotocol.client.McpClient;
import io.modelcontextprotocol.client.transport.HttpClientStreamableHttpTransport;
import io.modelcontextprotocol.spec.McpSchema.CallToolRequest;
import io.modelcontextprotocol.spec.McpSchema.TextContent;
import java.net.URI;
import java.time.Duration;
import java.util.Map;

/** List the tools of an MCP server with the Java SDK as it is by default, and call one, with a token. */
public class Call {
    public static void main(String[] arguments) {
        if (arguments.length != 3) {
            System.err.println("usage: Call.java MCP_URL TOKEN TOOL");
            System.exit(1);
        }
        var url = URI.create(arguments[0]);
        var transport = HttpClientStreamableHttpTransport.builder(url.resolve("/").toString())
                .endpoint(url.getPath())
                .customizeRequest(request -> request.header("Authorization", "Bearer " + arguments[1]))
                .build();
        var client = McpClient.sync(transport).requestTimeout(Duration.ofSeconds(30)).build();
        var opened = client.initialize();
        var tools = client.listTools().tools();
        var result = client.callTool(new CallToolRequest(arguments[2], Map.of("to", 3)));
        if (Boolean.TRUE.equals(result.isError())) {
            throw new IllegalStateException("the tool answered " + result);
        }
        var text = ((TextContent) result.content().get(0)).text();
        System.out.printf("{\"server\": \"%s\", \"tools\": [\"%s\"], \"result\": \"%s\"}%n",
                opened.serverInfo().name(), tools.get(0).name(), text);
        // The stream of notifications is open, and its threads are no daemons.
        Runtime.getRuntime().halt(0);
    }
}

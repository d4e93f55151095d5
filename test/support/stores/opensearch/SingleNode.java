import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.opensearch.common.settings.Settings;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.transport.Netty4Plugin;

/** Runs one node of OpenSearch on loopback: SingleNode HOME HTTP_PORT TRANSPORT_PORT. It ends with its standard input. */
public class SingleNode extends Node {
  private SingleNode(Settings settings, Path config) {
    super(
        InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), config, () -> "n1"),
        List.of(Netty4Plugin.class),
        false);
  }

  public static void main(String[] args) throws Exception {
    Path home = Path.of(args[0]);
    for (String folder : List.of("config", "modules")) Files.createDirectories(home.resolve(folder));
    Settings settings =
        Settings.builder()
            .put("path.home", home.toString())
            .put("cluster.name", "test")
            .put("node.name", "n1")
            .put("discovery.type", "single-node")
            .put("network.host", "127.0.0.1")
            .put("http.port", args[1])
            .put("transport.port", args[2])
            .put("http.type", "netty4")
            .put("transport.type", "netty4")
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .build();
    new SingleNode(settings, home.resolve("config")).start();
    while (System.in.read() >= 0) {}
    Runtime.getRuntime().halt(0);
  }
}

/** A Kafka broker that ends with its parent process: `java Broker CLUSTER_ID SERVER.PROPERTIES`. */
public final class Broker {
  public static void main(String[] args) {
    Thread watch = new Thread(Broker::endWithParent);
    watch.setDaemon(true);
    watch.start();
    String[] format = {"format", "-t", args[0], "-c", args[1], "--ignore-formatted"};
    if (kafka.tools.StorageTool.execute(format, System.err) != 0) Runtime.getRuntime().halt(1);
    kafka.Kafka.main(new String[] {args[1]});
  }

  /** Exits at the end of stdin, a pipe from the test, which closes however the test ends. */
  private static void endWithParent() {
    try {
      while (System.in.read() >= 0) {}
    } catch (java.io.IOException closed) {
      // Exits as at the end of stdin.
    }
    Runtime.getRuntime().halt(0);
  }
}

/** A Kafka broker that ends with whoever started it: `java Broker CLUSTER_ID SERVER.PROPERTIES`. */
public final class Broker {
  public static void main(String[] args) {
    Thread watch = new Thread(Broker::endWithParent);
    watch.setDaemon(true);
    watch.start();
    String[] format = {"format", "-t", args[0], "-c", args[1], "--ignore-formatted"};
    if (kafka.tools.StorageTool.execute(format, System.err) != 0) Runtime.getRuntime().halt(1);
    kafka.Kafka.main(new String[] {args[1]});
  }

  /** stdin is a pipe from the test: its end is the end of the test, however that came. */
  private static void endWithParent() {
    try {
      while (System.in.read() >= 0) {}
    } catch (java.io.IOException gone) {
      // The same.
    }
    Runtime.getRuntime().halt(0);
  }
}

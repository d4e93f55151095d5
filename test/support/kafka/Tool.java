import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.BufferedOutputStream;
import java.io.File;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.BitSet;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.internal.FileRecords;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Administration and an independent consumer, with Kafka's own client: `java Tool BOOTSTRAP`. Each line of stdin is a
 * request {"op": ...}, each line of stdout its answer: {"ok": value} or {"error": text}. Ends with stdin.
 */
public final class Tool {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Duration POLL = Duration.ofMillis(200);
  private static final int HIGHEST = 100_000_000;
  private static final long LIMIT_MS = 180_000;
  private final Admin admin;
  private final String bootstrap;

  private Tool(String bootstrap) {
    this.bootstrap = bootstrap;
    this.admin = Admin.create(Map.of(
        "bootstrap.servers", bootstrap,
        "request.timeout.ms", "5000",
        "default.api.timeout.ms", "30000",
        "reconnect.backoff.max.ms", "250"));
  }

  public static void main(String[] args) throws Exception {
    PrintStream out = new PrintStream(new BufferedOutputStream(System.out, 1 << 16), false, StandardCharsets.UTF_8);
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    Tool tool = new Tool(args[0]);
    for (String line; (line = in.readLine()) != null; ) {
      Map<String, Object> answer = new HashMap<>();
      try {
        answer.put("ok", tool.run(JSON.readTree(line)));
      } catch (Exception error) {
        Throwable cause = error.getCause() == null ? error : error.getCause();
        answer.put("error", cause.toString());
      }
      out.println(JSON.writeValueAsString(answer));
      out.flush();
    }
    Runtime.getRuntime().halt(0);
  }

  private Object run(JsonNode q) throws Exception {
    switch (q.get("op").asText()) {
      case "ready": return ready(q.get("brokers").asInt());
      case "create": return create(q);
      case "delete": return admin.deleteTopics(List.of(topic(q))).all().get();
      case "describe": return describe(topic(q));
      case "config": return config(q);
      case "move": return move(q);
      case "scram": return scram(q);
      case "acl": return acl(q);
      case "ends": return ends(topic(q));
      case "consume": return consume(topic(q));
      case "numbers": return numbers(topic(q), q.get("below").asInt());
      case "batches": return batches(q);
      default: throw new IllegalArgumentException("unknown op " + q);
    }
  }

  private static String topic(JsonNode q) {
    return q.get("topic").asText();
  }

  private Object ready(int brokers) throws Exception {
    await(() -> admin.describeCluster().nodes().get().size() == brokers, "the brokers");
    return true;
  }

  private Object create(JsonNode q) throws Exception {
    NewTopic topic = new NewTopic(topic(q), q.get("partitions").asInt(), (short) q.get("replication").asInt());
    Map<String, String> config = new HashMap<>();
    q.get("config").fields().forEachRemaining(e -> config.put(e.getKey(), e.getValue().asText()));
    topic.configs(config);
    admin.createTopics(List.of(topic)).all().get();
    await(() -> partitions(topic(q)).stream().allMatch(p -> p.leader() != null), "the leaders");
    return true;
  }

  private List<TopicPartitionInfo> partitions(String topic) throws Exception {
    return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions();
  }

  private Object describe(String topic) throws Exception {
    List<Object> rows = new ArrayList<>();
    for (TopicPartitionInfo p : partitions(topic))
      rows.add(Map.of("partition", p.partition(), "leader", p.leader() == null ? -1 : p.leader().id(),
          "replicas", ids(p.replicas()), "isr", ids(p.isr())));
    return rows;
  }

  private static List<Integer> ids(List<Node> nodes) {
    return nodes.stream().map(Node::id).collect(Collectors.toList());
  }

  private Object config(JsonNode q) throws Exception {
    ConfigEntry entry = new ConfigEntry(q.get("key").asText(), q.get("value").asText());
    ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic(q));
    Collection<AlterConfigOp> ops = List.of(new AlterConfigOp(entry, AlterConfigOp.OpType.SET));
    return admin.incrementalAlterConfigs(Map.of(resource, ops)).all().get();
  }

  /** Assigns new replicas; the first one becomes the leader. */
  private Object move(JsonNode q) throws Exception {
    TopicPartition tp = new TopicPartition(topic(q), q.get("partition").asInt());
    List<Integer> replicas = new ArrayList<>();
    q.get("replicas").forEach(r -> replicas.add(r.asInt()));
    admin.alterPartitionReassignments(Map.of(tp, Optional.of(new NewPartitionReassignment(replicas)))).all().get();
    await(() -> admin.listPartitionReassignments(Set.of(tp)).reassignments().get().isEmpty(), "the move");
    try {
      admin.electLeaders(ElectionType.PREFERRED, Set.of(tp)).all().get();
    } catch (Exception notNeeded) {
      // The replica is already the leader.
    }
    await(() -> {
      Node leader = partitions(tp.topic()).get(tp.partition()).leader();
      return leader != null && leader.id() == replicas.get(0);
    }, "the new leader");
    return true;
  }

  private Object scram(JsonNode q) throws Exception {
    for (ScramMechanism m : List.of(ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512))
      admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(q.get("user").asText(),
          new ScramCredentialInfo(m, 4096), q.get("password").asText()))).all().get();
    return true;
  }

  private Object acl(JsonNode q) throws Exception {
    ResourcePattern pattern = new ResourcePattern(ResourceType.TOPIC, topic(q), PatternType.LITERAL);
    AccessControlEntry entry = new AccessControlEntry(q.get("principal").asText(), "*",
        AclOperation.fromString(q.get("operation").asText()), AclPermissionType.fromString(q.get("permission").asText()));
    AclBinding binding = new AclBinding(pattern, entry);
    if (q.get("remove").asBoolean()) return admin.deleteAcls(List.of(binding.toFilter())).all().get().size();
    return admin.createAcls(List.of(binding)).all().get();
  }

  private KafkaConsumer<byte[], byte[]> consumer() {
    return new KafkaConsumer<>(Map.of("bootstrap.servers", bootstrap, "auto.offset.reset", "earliest",
        "allow.auto.create.topics", "false", "default.api.timeout.ms", "30000", "max.poll.records", "5000"),
        new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }

  private static List<TopicPartition> partitionsOf(KafkaConsumer<?, ?> consumer, String topic) {
    return consumer.partitionsFor(topic).stream()
        .map(p -> new TopicPartition(topic, p.partition())).collect(Collectors.toList());
  }

  /** Asks with the client that is there: a new consumer for each request costs ten times the CPU, and tests ask often. */
  private Object ends(String topic) throws Exception {
    Map<TopicPartition, OffsetSpec> latest = new HashMap<>();
    for (TopicPartitionInfo p : partitions(topic)) latest.put(new TopicPartition(topic, p.partition()), OffsetSpec.latest());
    Map<Integer, Long> ends = new TreeMap<>();
    admin.listOffsets(latest).all().get().forEach((tp, end) -> ends.put(tp.partition(), end.offset()));
    return ends;
  }

  /** Reads all records up to the current ends of the partitions. */
  private void each(String topic, Consumer<ConsumerRecord<byte[], byte[]>> use) {
    try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
      List<TopicPartition> all = partitionsOf(consumer, topic);
      consumer.assign(all);
      consumer.seekToBeginning(all);
      Map<TopicPartition, Long> ends = consumer.endOffsets(all);
      long until = System.currentTimeMillis() + LIMIT_MS;
      while (all.stream().anyMatch(tp -> consumer.position(tp) < ends.get(tp))) {
        if (System.currentTimeMillis() > until) throw new IllegalStateException("not read in " + LIMIT_MS + " ms");
        consumer.poll(POLL).forEach(use);
      }
    }
  }

  private Object consume(String topic) {
    List<Object> rows = new ArrayList<>();
    each(topic, r -> {
      List<Object> headers = new ArrayList<>();
      for (Header h : r.headers()) headers.add(Arrays.asList(h.key(), base64(h.value())));
      rows.add(Arrays.asList(r.partition(), r.offset(), r.timestamp(), base64(r.key()), base64(r.value()), headers));
    });
    return rows;
  }

  private static String base64(byte[] bytes) {
    return bytes == null ? null : Base64.getEncoder().encodeToString(bytes);
  }

  /** Returns statistics of the first number in each value, as the sink of the forward tests does. */
  private Object numbers(String topic, int below) {
    BitSet seen = new BitSet();
    Map<Integer, Integer> highest = new HashMap<>();
    int[] counts = new int[3];
    each(topic, r -> {
      counts[0]++;
      int n = firstNumber(r.value());
      if (n < 0) return;
      if (seen.get(n)) counts[1]++;
      else if (n < highest.getOrDefault(r.partition(), -1)) counts[2]++;
      seen.set(n);
      highest.merge(r.partition(), n, Math::max);
    });
    List<Integer> first = new ArrayList<>();
    for (int n = seen.nextClearBit(0); n < below && first.size() < 20; n = seen.nextClearBit(n + 1)) first.add(n);
    return Map.of("records", counts[0], "distinct", seen.cardinality(), "duplicates", counts[1],
        "disorder", counts[2], "missing", below - seen.get(0, below).cardinality(), "first", first);
  }

  /** Returns the first number in a value, of JSON the first one in the field `log`; -1 without a number. */
  private static int firstNumber(byte[] value) {
    int log = new String(value, StandardCharsets.ISO_8859_1).indexOf("\"log\":");
    int at = log < 0 ? 0 : log;
    while (at < value.length && !digit(value[at])) at++;
    long n = at < value.length ? 0 : -1;
    for (; at < value.length && digit(value[at]) && n <= HIGHEST; at++) n = n * 10 + value[at] - '0';
    return n > HIGHEST ? -1 : (int) n;
  }

  private static boolean digit(byte b) {
    return b >= '0' && b <= '9';
  }

  /** Returns the record batches in the log files of a broker. */
  private static Object batches(JsonNode q) throws Exception {
    List<Object> rows = new ArrayList<>();
    File[] segments = new File(q.get("dir").asText()).listFiles((d, name) -> name.endsWith(".log"));
    if (segments == null) return rows;
    Arrays.sort(segments);
    for (File segment : segments)
      try (FileRecords records = FileRecords.open(segment, false)) {
        for (RecordBatch b : records.batches())
          rows.add(Map.of("offset", b.baseOffset(), "records", b.countOrNull(), "bytes", b.sizeInBytes(),
              "compression", b.compressionType().name, "producerId", b.producerId(),
              "epoch", b.producerEpoch(), "sequence", b.baseSequence(), "timestampType", b.timestampType().name));
      }
    return rows;
  }

  private interface Check {
    boolean holds() throws Exception;
  }

  private static void await(Check check, String what) throws Exception {
    long until = System.currentTimeMillis() + LIMIT_MS;
    Exception last = null;
    while (System.currentTimeMillis() < until) {
      try {
        if (check.holds()) return;
      } catch (Exception error) {
        last = error;
      }
      Thread.sleep(50);
    }
    throw new IllegalStateException("waited " + LIMIT_MS + " ms in vain for " + what, last);
  }
}

/**
 * one-trace.ts: shows one OpenTelemetry trace across producer and consumer. The headers of a record carry `traceparent`; the SDK passes them
 * on and does not depend on OpenTelemetry.
 *
 *   node dist/one-trace.js [host:port] [topic]
 *
 * Source: W3C Trace Context; OpenTelemetry's conventions for messaging spans.
 */
import {
  context,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  type TextMapGetter,
  trace,
} from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { Varve, type VarveRecord } from "@varve/client";

const [bootstrap = "127.0.0.1:7650", topic = "example-trace"] = process.argv.slice(2);

// Set up once per process. A service uses NodeSDK and an exporter of its collector; this keeps spans in memory to show them.
const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
trace.setGlobalTracerProvider(provider);
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
propagation.setGlobalPropagator(new W3CTraceContextPropagator());
const tracer = trace.getTracer("orders");

const HEADERS: TextMapGetter<Record<string, Buffer>> = {
  keys: (headers) => Object.keys(headers),
  get: (headers, name) => headers[name]?.toString(),
};

/** Ends the span with its work, and says in it when that failed. */
async function inSpan<T>(span: Span, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    span.recordException(error instanceof Error ? error : String(error));
    span.setStatus({ code: SpanStatusCode.ERROR });
    throw error;
  } finally {
    span.end();
  }
}

const varve = new Varve({ bootstrap });
const producer = varve.producer();

/** `producer.send` inside a span, whose context travels in the headers. */
function sendTraced(key: string, value: string) {
  const attributes = { "messaging.system": "varve", "messaging.destination.name": topic };
  return tracer.startActiveSpan(`send ${topic}`, { kind: SpanKind.PRODUCER, attributes }, (span) =>
    inSpan(span, async () => {
      const headers: Record<string, string> = {};
      propagation.inject(context.active(), headers);
      return producer.send({ topic, key, value, headers });
    }),
  );
}

/** A handler whose span, and whatever it starts, belongs to the trace of the sender. */
function traced(handler: (record: VarveRecord) => Promise<void>) {
  return (record: VarveRecord) => {
    const parent = propagation.extract(context.active(), record.headers, HEADERS);
    const attributes = {
      "messaging.system": "varve",
      "messaging.destination.name": topic,
      "messaging.destination.partition.id": String(record.partition),
      "messaging.message.id": `${record.partition}/${record.offset}`,
    };
    return tracer.startActiveSpan(`process ${topic}`, { kind: SpanKind.CONSUMER, attributes }, parent, (span) =>
      inSpan(span, () => handler(record)),
    );
  };
}

try {
  await varve.admin.createTopic({ topic, partitions: 1, ifNotExists: true });
  const root = tracer.startSpan("POST /orders");
  await context.with(trace.setSpan(context.active(), root), () => sendTraced("42", "paid"));
  root.end();

  const consumer = varve.consumer({ group: `${topic}-billing`, topics: [topic] });
  await consumer.run({
    handler: traced(async () => {
      tracer.startSpan("INSERT invoice").end(); // Your database's instrumentation does this.
      consumer.close().catch((error: unknown) => console.error(error));
    }),
  });

  const spans = exporter.getFinishedSpans();
  const nameOf = (id: string | undefined) => spans.find((span) => span.spanContext().spanId === id)?.name ?? "nothing";
  for (const span of spans) console.log(`${span.name}, under ${nameOf(span.parentSpanContext?.spanId)}`);
  const traces = new Set(spans.map((span) => span.spanContext().traceId));
  console.log(`${spans.length} spans, ${traces.size} trace`);
  process.exitCode = traces.size === 1 ? 0 : 1;
} finally {
  await varve.close();
  await provider.shutdown();
}

/**
 * What an engine needs of a UDP socket, and what a socket's loop needs of an engine. Two transports exist
 * (native/, dgram-transport.ts) and two engines (member/, prover/): four combinations, no logic twice.
 */
import type { FastCrypto, Region } from '../crypto/fast/index.js'
import type { Collector } from './collector.js'
import type { BackendInfo, Endpoint } from './types.js'

/** A peer's address in the form its transport sends to. */
export interface Remote {
  readonly endpoint: Endpoint
}

/** Where the datagram being handled came from. Valid during the call only. */
export interface Source {
  matches(remote: Remote): boolean
  toRemote(): Remote
}

export interface DatagramSink {
  /**
   * One datagram, in bytes that may be overwritten but are valid during the call only. `arrivalMicros` is the kernel's
   * stamp where there is one, on the clock of clock.ts.
   */
  onDatagram(region: Region, offset: number, length: number, arrivalMicros: number, source: Source): void
}

export interface Transport {
  readonly info: BackendInfo
  readonly endpoint: Endpoint
  /** Datagrams that the kernel dropped for want of buffer, as far as it tells. */
  readonly overflow: number
  /** How finely its loop can wait: trains are handed over in batches at least this long. */
  readonly granularityMicros: number
  /** Zeroed bytes that {@link sendTrain} can send from. */
  allocate(length: number): Region
  resolve(endpoint: Endpoint): Remote
  /**
   * Hands over `count` datagrams of 1408 bytes that lie one behind another in `region` from number `first` on, in
   * super-packets of up to `segments`. Returns how many were taken: fewer where the kernel's buffer is full.
   */
  sendTrain(remote: Remote, region: Region, first: number, count: number, segments: number): number
  /** Queues one small datagram (copied). */
  queue(remote: Remote, bytes: Uint8Array): void
  /** Sends what was queued, in order. What the kernel refuses is lost, as UDP may lose it. */
  flush(): void
}

/** Driven by a loop: native/loop.ts blocks in ppoll, dgram-loop.ts lives on Node's event loop. */
export interface Engine extends DatagramSink {
  /** Answers one request of the main thread. */
  onRequest(id: number, request: unknown): void
  /** Does what is due. */
  tick(now: number): void
  /** After a batch of datagrams; `drained` where the socket had no more. */
  afterReceive(drained: boolean): void
  /** When tick must run next; Infinity for not before something arrives. */
  nextDueMicros(): number
  /** False while datagrams may wait in the kernel until {@link nextDueMicros}: one wake-up for many. */
  wantsArrivals(): boolean
  /** True while a train is expected, sent or received: the thread may ask for real time. */
  urgent(): boolean
  /** Says goodbye to peers where the protocol has a word for it. */
  close(): void
}

/** How long the loop has slept, for the share of a slot in which the worker was busy. */
export interface LoopMeter {
  /** Microseconds spent waiting since the loop began. */
  waitedMicros(): number
}

/** The engine's way to the main thread. */
export interface Outbox {
  reply(id: number, value: unknown): void
  fail(id: number, error: unknown): void
  event(event: unknown): void
}

/** What an engine is built of. */
export interface EngineModules {
  readonly transport: Transport
  readonly crypto: FastCrypto
  readonly outbox: Outbox
  readonly collector: Collector
}

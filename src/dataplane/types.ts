/**
 * The data plane's interface: what roles see of it (re-exported by index.ts) and the messages between threads carry.
 */

export type BackendName = 'native' | 'dgram'
export type BackendChoice = BackendName | 'auto'

/** Which backend runs, and why: logged at start, shown by `doctor`. */
export interface BackendInfo {
  readonly name: BackendName
  readonly reason: string
  /** `user` where arrival times are taken in user space: flagged as `user_timestamps` in results. */
  readonly timestamps: 'kernel' | 'user'
}

export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** What a member grants one challenge on its UDP socket. */
export interface MemberSession {
  /** 8 bytes. */
  readonly sessionId: Uint8Array
  /** 16 bytes, AES-128-GMAC key. */
  readonly key: Uint8Array
  /** Most bytes (layer 3) this session may send. */
  readonly maxBytes: number
  /** Milliseconds since the Unix epoch; the session is dropped then. */
  readonly expiresAtMs: number
}

/** A consent datagram with a valid tag, for the main thread to check its signature. */
export interface ConsentClaim {
  readonly sessionId: Uint8Array
  readonly nonce: Uint8Array
  readonly expiresAt: number
  readonly maxBytes: number
  readonly signature: Uint8Array
  readonly remote: Endpoint
}

export interface TrainOrder {
  readonly sessionId: Uint8Array
  readonly slot: number
  readonly attempt: number
  /** 32 bytes. */
  readonly seed: Uint8Array
  readonly packetCount: number
  readonly rateKbps: number
  /** Give up waiting for go after this long. */
  readonly armedForMs: number
  /** The prover sends the packets back: they are compared with what was sent, and timed. */
  readonly echo?: boolean
  /** Laboratory behaviours; absent in an honest node. */
  readonly behaviour?: TrainBehaviour
}

export interface TrainBehaviour {
  /** Send only this share of the packets, evenly spread. */
  readonly sendShare?: number
  /** Start this much later than go says. */
  readonly startDelayMs?: number
  /** Send bytes that are not the committed keystream. */
  readonly garbage?: boolean
  /** Send at this multiple of the rate. */
  readonly rateFactor?: number
  /** Repeat every data packet this often (replay, flood). */
  readonly copies?: number
}

export interface ReceivedAck {
  readonly k: number
  /** 32 bytes. */
  readonly root: Uint8Array
  /** Arrival minus first send, monotonic, rounded up; >= 1. */
  readonly ownMicros: number
}

export interface TrainReport {
  readonly started: boolean
  readonly sentPackets: number
  /** On the plane's one clock, for all sessions; 0 where nothing was sent. */
  readonly firstSendMicros: number
  /** Worst lateness of a packet against its due time. */
  readonly latenessMicros: number
  /** First valid copy of each k, ascending. */
  readonly acks: readonly ReceivedAck[]
  /** Acks with the same k and another root: equivocation by the prover. */
  readonly conflictingAcks: number
  /** Where the order asked for echoes: the marks of pob/echo.ts. */
  readonly echoes?: { readonly counts: readonly number[]; readonly ownMicros: readonly number[] }
  readonly stoppedBy: 'done' | 'stop' | 'silence' | 'cap' | 'never_started'
}

export interface PathStatistics {
  readonly remote: Endpoint | undefined
  readonly consented: boolean
  readonly rttMinMicros: number
  readonly rttMedianMicros: number
  readonly samples: number
  readonly sentBytes: number
}

export interface PlaneCounters {
  readonly received: number
  readonly badTag: number
  readonly badFormat: number
  readonly unknownSession: number
  readonly sentBytes: number
  readonly receivedBytes: number
  /** Packets the kernel dropped for want of socket buffer. */
  readonly overflow: number
}

export interface PlaneOptions {
  readonly backend: BackendChoice
  /** Address to bind; `0.0.0.0` for all. */
  readonly host: string
  /** 0 takes any free port. */
  readonly port: number
}

export interface MemberPlane {
  readonly backend: BackendInfo
  readonly endpoint: Endpoint
  addSession(session: MemberSession): Promise<void>
  removeSession(sessionId: Uint8Array): Promise<void>
  /** Called for every new consent; resolve true to open the path. */
  onConsent(handler: (claim: ConsentClaim) => Promise<boolean>): void
  /** Computes the whole train and arms it for go. Rejects where memory or session caps forbid it. */
  prepareTrain(order: TrainOrder): Promise<void>
  /** Resolves once the train has ended and `lingerMs` have passed without a new ack (or at once if it has). */
  collectTrain(train: { sessionId: Uint8Array; slot: number; attempt: number }): Promise<TrainReport>
  pathStatistics(sessionId: Uint8Array): Promise<PathStatistics>
  counters(): Promise<PlaneCounters>
  /** Called once where the worker dies unasked; pending and later calls reject with the same error. */
  onError(handler: (error: Error) => void): void
  close(): Promise<void>
}

export interface ProverPath {
  readonly sessionId: Uint8Array
  readonly key: Uint8Array
  readonly remote: Endpoint
}

export interface ProbeResult {
  readonly sent: number
  readonly received: number
  readonly rttMinMicros: number
  readonly rttMedianMicros: number
  /** Mean absolute difference of consecutive round-trip times (RFC 3550 in spirit). */
  readonly jitterMicros: number
  /** Of every probe in the order of sending; 0 for one that was lost. */
  readonly rttMicros: readonly number[]
}

export interface SlotMember {
  /** Absent where no path to the member could be opened: its place in the team stays, with no packets. */
  readonly sessionId?: Uint8Array
  readonly packetCount: number
  readonly rttMicros?: number
}

export interface SlotOrder {
  readonly slot: number
  readonly attempt: number
  readonly tauMicros: number
  /** In team order. */
  readonly members: readonly SlotMember[]
  /** Give up this long after the train should have ended. */
  readonly drainMicros: number
  /** Send every packet back instead of acknowledging. */
  readonly echo?: boolean
  readonly behaviour?: CaptureBehaviour
}

/** Laboratory behaviours of a prover; absent in an honest node. */
export interface CaptureBehaviour {
  readonly holdAcksMs?: number
  /** Answers of the slot's own probes are held for so long, so that members see a longer round trip. */
  readonly closeDelayMs?: number
  /** Members (positions) whose train a side channel delivers: all of it counts as arrived this long after the slot's first arrival. */
  readonly phantoms?: readonly {
    readonly position: number
    readonly seed: Uint8Array
    readonly packetCount: number
    readonly afterMs: number
  }[]
  /** Drop this share of arriving packets. */
  readonly dropShare?: number
  /** Send go later to the members at these positions. */
  readonly staggerMs?: readonly number[]
  /** Send another root to the members at these positions. */
  readonly equivocateTo?: readonly number[]
  /** What arrives from one position counts as having arrived from another as well; the other's own packets do not count. */
  readonly mirrors?: readonly { readonly from: number; readonly to: number }[]
  /** Send every ack so often, and with it as many of numbers to come, with roots that stand for nothing. */
  readonly ackFlood?: number
}

export interface CapturedAck {
  /** Per member, in team order. */
  readonly counts: readonly number[]
  /** Per member, 32 bytes. */
  readonly digests: readonly Uint8Array[]
  /** 32 bytes. */
  readonly root: Uint8Array
  /** After the slot's first arrival. */
  readonly sentMicros: number
}

export interface SlotCapture {
  readonly acks: readonly CapturedAck[]
  /** Per member, encoded as in protocol section 7. */
  readonly orders: readonly Uint8Array[]
  readonly statistics: SlotStatistics
}

export interface SlotStatistics {
  /** Distinct, authentic packets. */
  readonly packets: number
  readonly duplicates: number
  readonly badTag: number
  readonly overflow: number
  /** First to last arrival, kernel stamps where there are any. */
  readonly arrivalSpanMicros: number
  /** Mean absolute deviation of inter-arrival gaps from their median, per member averaged. */
  readonly jitterMicros: number
  /** Packets that arrived after one with a higher sequence. */
  readonly reordered: number
  /** Absolute differences of neighbours' one-way delays (RFC 3393); the mean of the members. */
  readonly variationMedianMicros: number
  readonly variationP95Micros: number
  /** By how much the delay has grown from the first tenth of the packets to the last; the mean of the members. */
  readonly delayGrowthMicros: number
  /** Round trips of the probes sent in the second half of the slot, per member in team order; 0 for a lost one. */
  readonly loadedMicros: readonly (readonly number[])[]
  /** Share of the slot in which the worker was busy, 0..1: near 1 means the box limits, not the link. */
  readonly busyShare: number
  /** Arrivals in ten equal parts of the span, for progress and burst detection. */
  readonly deciles: readonly number[]
}

export interface ProverPlane {
  readonly backend: BackendInfo
  readonly endpoint: Endpoint
  addPath(path: ProverPath): Promise<void>
  /** hello -> nonce, with retransmission. Rejects after `deadlineMs`. */
  hello(sessionId: Uint8Array, deadlineMs: number): Promise<Uint8Array>
  /** consent -> ready, with retransmission. */
  consent(
    sessionId: Uint8Array,
    consent: { nonce: Uint8Array; expiresAt: number; maxBytes: number; signature: Uint8Array },
    deadlineMs: number,
  ): Promise<void>
  probe(
    sessionId: Uint8Array,
    options: { count: number; intervalMs: number; behaviour?: { closeDelayMs: number } },
  ): Promise<ProbeResult>
  runSlot(order: SlotOrder): Promise<SlotCapture>
  counters(): Promise<PlaneCounters>
  /** Called once where the worker dies unasked; pending and later calls reject with the same error. */
  onError(handler: (error: Error) => void): void
  close(): Promise<void>
}

/**
 * The few calls of the C library that the laboratory's children make, through koffi. Linux on LP64 only.
 * Buffers are passed as addresses, so that one large buffer serves all packets without a view for each;
 * whoever takes an address must keep the buffer reachable for as long as the kernel may use it.
 */
import koffi from 'koffi'

type Call = (...args: readonly (number | null)[]) => number

const library = koffi.load(null)
const bind = (definition: string): Call => library.func(definition) as Call

/** The raw calls: -1 on failure, with {@link errno}. Addresses and sizes are plain numbers. */
export const open = library.func('int open(const char *path, int flags)') as (
  path: string,
  flags: number,
) => number
export const close = bind('int close(int fd)')
export const ioctl = bind('int ioctl(int fd, unsigned long request, uintptr_t argument)')
export const read = bind('intptr_t read(int fd, uintptr_t data, size_t length)')
export const write = bind('intptr_t write(int fd, uintptr_t data, size_t length)')
export const writev = bind('intptr_t writev(int fd, uintptr_t iov, int count)')
export const send = bind('intptr_t send(int fd, uintptr_t data, size_t length, int flags)')
export const recvfrom = bind(
  'intptr_t recvfrom(int fd, uintptr_t data, size_t length, int flags, uintptr_t name, uintptr_t namelen)',
)
export const sendto = bind(
  'intptr_t sendto(int fd, uintptr_t data, size_t length, int flags, uintptr_t name, unsigned int namelen)',
)
export const socket = bind('int socket(int domain, int type, int protocol)')
export const bindSocket = bind('int bind(int fd, uintptr_t name, unsigned int namelen)')
export const connect = bind('int connect(int fd, uintptr_t name, unsigned int namelen)')
export const setsockopt = bind(
  'int setsockopt(int fd, int level, int name, uintptr_t value, unsigned int length)',
)
const ppollRaw = bind('int ppoll(uintptr_t fds, unsigned long count, uintptr_t timeout, uintptr_t mask)')
const schedSetScheduler = bind('int sched_setscheduler(int pid, int policy, uintptr_t parameter)')
const prctl = bind(
  'int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)',
)

export const O_RDWR = 0x2
export const O_NONBLOCK = 0x800
export const O_CLOEXEC = 0x80000
export const AF_INET = 2
export const SOCK_DGRAM = 2
export const SOCK_NONBLOCK = 0x800
export const SOCK_CLOEXEC = 0x80000
export const SOL_SOCKET = 1
export const SO_SNDBUF = 7
export const SO_RCVBUF = 8
export const SO_SNDBUFFORCE = 32
export const SO_RCVBUFFORCE = 33
export const SOL_UDP = 17
export const UDP_SEGMENT = 103
export const EADDRINUSE = 98
export const POLLIN = 0x1
const PR_SET_TIMERSLACK = 29
const SCHED_FIFO = 1
/** Bytes of a struct sockaddr_in. */
export const SOCKADDR_IN_BYTES = 16
/** Typed arrays below this may live on V8's heap, where the collector moves them. */
const MIN_PINNED_BYTES = 128

/** errno of the last call that returned -1. */
export function errno(): number {
  return koffi.errno()
}

/** Memory whose address the kernel may be given. */
export interface Pinned {
  readonly buffer: Buffer
  readonly view: DataView
  readonly address: number
}

/** Zeroed memory that does not move. */
export function pinned(bytes: number): Pinned {
  const memory = new ArrayBuffer(Math.max(bytes, MIN_PINNED_BYTES))
  const buffer = Buffer.from(memory)
  return { buffer, view: new DataView(memory), address: Number(koffi.address(buffer)) }
}

/** Throws with errno where a call failed. */
export function check(result: number, what: string): number {
  if (result === -1) throw new Error(`${what} failed with errno ${errno()}`)
  return result
}

/** Writes a sockaddr_in at an offset. */
export function writeSockaddr(memory: Pinned, offset: number, address: string, port: number): void {
  memory.view.setUint16(offset, AF_INET, true)
  memory.view.setUint16(offset + 2, port)
  for (const [index, part] of address.split('.').entries()) memory.buffer[offset + 4 + index] = Number(part)
}

/** Sets an int socket option. Returns false where the kernel refuses. */
export function setIntOption(fd: number, level: number, name: number, value: number): boolean {
  const memory = pinned(4)
  memory.view.setInt32(0, value, true)
  return setsockopt(fd, level, name, memory.address, 4) === 0
}

/** Wakes within about 25 us of the time asked for instead of 75 us (measured; the default slack is 50 us). */
export function sharpenTimers(): void {
  prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
}

/**
 * Puts this thread before all ordinary ones (real-time, lowest priority); false where we may not. Only for
 * processes that sleep most of the time.
 */
export function becomeRealTime(): boolean {
  const parameter = pinned(4)
  parameter.view.setInt32(0, 1, true)
  return schedSetScheduler(0, SCHED_FIFO, parameter.address) === 0
}

/** Bytes of a struct pollfd. */
const POLLFD_BYTES = 8
const REVENTS_OFFSET = 6

/** A set of descriptors to wait on for input, with microseconds. */
export class Poller {
  readonly #fds: Pinned
  readonly #count: number
  readonly #timeout = pinned(16)

  constructor(fds: readonly number[]) {
    this.#count = fds.length
    this.#fds = pinned(fds.length * POLLFD_BYTES)
    for (const [index, fd] of fds.entries()) {
      this.#fds.view.setInt32(index * POLLFD_BYTES, fd, true)
      this.#fds.view.setInt16(index * POLLFD_BYTES + 4, POLLIN, true)
    }
  }

  /** Sleeps until there is input or the time is over; resolves to how many descriptors are ready. */
  wait(microseconds: number): number {
    return this.#poll(this.#count, microseconds)
  }

  /** Sleeps whatever comes in. */
  sleep(microseconds: number): void {
    this.#poll(0, microseconds)
  }

  /** After {@link wait}: has the descriptor at this index input? */
  isReady(index: number): boolean {
    return this.#fds.view.getInt16(index * POLLFD_BYTES + REVENTS_OFFSET, true) !== 0
  }

  #poll(count: number, microseconds: number): number {
    const whole = Math.max(0, microseconds)
    const seconds = Math.floor(whole / 1e6)
    this.#timeout.view.setUint32(0, seconds, true)
    this.#timeout.view.setUint32(8, Math.floor((whole - seconds * 1e6) * 1e3), true)
    return ppollRaw(this.#fds.address, count, this.#timeout.address, 0)
  }
}

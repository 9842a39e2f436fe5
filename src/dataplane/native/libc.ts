/**
 * libc's socket calls through koffi, and the constants of the Linux generic ABI (x86-64, arm64 and riscv64 share
 * them). Every pointer is a number: the address of a {@link Region} that its owner keeps alive.
 */
import { createRequire } from 'node:module'
import { endianness } from 'node:os'
import type { Region } from '../../crypto/fast/index.js'

export const AF_INET = 2
export const AF_INET6 = 10
export const SOCK_DGRAM = 2
export const SOCK_NONBLOCK = 0o4000
export const SOCK_CLOEXEC = 0o2000000
export const SOL_SOCKET = 1
export const SO_SNDBUF = 7
export const SO_RCVBUF = 8
export const SO_SNDBUFFORCE = 32
export const SO_RCVBUFFORCE = 33
export const SO_TIMESTAMPNS = 35
export const SO_RXQ_OVFL = 40
export const IPPROTO_IPV6 = 41
export const IPV6_V6ONLY = 26
export const SOL_UDP = 17
export const UDP_SEGMENT = 103
export const UDP_GRO = 104
export const MSG_DONTWAIT = 0x40
export const POLLIN = 1
export const EFD_NONBLOCK = 0o4000
export const EFD_CLOEXEC = 0o2000000
export const CLOCK_REALTIME = 0
export const PR_SET_TIMERSLACK = 29

export const EINTR = 4
export const EIO = 5
export const EAGAIN = 11
export const EINVAL = 22
export const EMSGSIZE = 90
export const ENOBUFS = 105

export type Native = (...args: readonly number[]) => number

export interface Libc {
  /** Zeroed bytes at a fixed address. */
  readonly allocate: (length: number) => Region
  /** Of the last call that returned -1, and of no other. */
  readonly errno: () => number
  readonly socket: Native
  readonly bind: Native
  readonly getsockname: Native
  readonly setsockopt: Native
  readonly recvmmsg: Native
  readonly sendmmsg: Native
  readonly ppoll: Native
  readonly eventfd: Native
  readonly read: Native
  readonly close: Native
  readonly clock_gettime: Native
  readonly prctl: Native
  readonly syscall: Native
}

const LP64_ARCHITECTURES: readonly string[] = ['x64', 'arm64', 'riscv64']
/** Smaller typed arrays may live on V8's heap, which moves. */
const MIN_REGION_BYTES = 128

/** @throws Error with the reason where this system has no such calls. */
export function loadLibc(): Libc {
  if (process.platform !== 'linux') throw new Error(`${process.platform} has no recvmmsg`)
  if (!LP64_ARCHITECTURES.includes(process.arch) || endianness() !== 'LE')
    throw new Error(`structure layouts are not known for ${process.arch}`)
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
  const library = koffi.load(null)
  const pointer = 'uintptr_t'
  const bind = (name: string, args: readonly string[]): Native =>
    library.func(name, 'int', [...args]) as Native
  return {
    allocate: (length) => {
      const bytes = new Uint8Array(Math.max(length, MIN_REGION_BYTES))
      return { bytes, address: Number(koffi.address(bytes)) }
    },
    errno: () => koffi.errno(),
    socket: bind('socket', ['int', 'int', 'int']),
    bind: bind('bind', ['int', pointer, 'uint32_t']),
    getsockname: bind('getsockname', ['int', pointer, pointer]),
    setsockopt: bind('setsockopt', ['int', 'int', 'int', pointer, 'uint32_t']),
    recvmmsg: bind('recvmmsg', ['int', pointer, 'uint32_t', 'int', pointer]),
    sendmmsg: bind('sendmmsg', ['int', pointer, 'uint32_t', 'int']),
    ppoll: bind('ppoll', [pointer, 'uint64_t', pointer, pointer]),
    eventfd: bind('eventfd', ['uint32_t', 'int']),
    read: library.func('read', 'int64_t', ['int', pointer, 'size_t']) as Native,
    close: bind('close', ['int']),
    clock_gettime: bind('clock_gettime', ['int', pointer]),
    prctl: bind('prctl', ['int', 'uint64_t', 'uint64_t', 'uint64_t', 'uint64_t']),
    syscall: library.func('syscall', 'int64_t', ['int64_t', 'int64_t', pointer, 'int64_t']) as Native,
  }
}

/** A failed call with its errno. */
export function callError(libc: Libc, name: string): Error {
  const errno = libc.errno()
  return Object.assign(new Error(`${name} failed with errno ${errno}`), { errno })
}

import { createSocket } from 'node:dgram'
import { expect, test } from 'vitest'
import { nowMicros } from '../../../src/dataplane/clock.js'
import * as c from '../../../src/dataplane/native/libc.js'
import { Receiver } from '../../../src/dataplane/native/receiver.js'
import {
  readSockaddr,
  SOCKADDR_IN6_BYTES,
  writeSockaddr,
} from '../../../src/dataplane/native/socket-address.js'
import { sleep } from './harness.js'

const STEP_SECONDS = 3

test.skipIf(process.platform !== 'linux')(
  'an arrival is not older than the last time the socket was empty',
  async () => {
    const libc = c.loadLibc()
    let step = 0
    // The wall clock steps forward between the kernel's stamp and its reading.
    const clock_gettime: c.Native = (clock = 0, address = 0) => {
      const result = libc.clock_gettime(clock, address)
      const timespec = timespecs.get(address)
      if (timespec !== undefined) timespec[0] = (timespec[0] ?? 0) + step
      return result
    }
    const timespecs = new Map<number, Uint32Array>()
    const allocate: c.Libc['allocate'] = (length) => {
      const region = libc.allocate(length)
      timespecs.set(region.address, new Uint32Array(region.bytes.buffer))
      return region
    }
    const fd = libc.socket(c.AF_INET, c.SOCK_DGRAM | c.SOCK_NONBLOCK | c.SOCK_CLOEXEC, 0)
    const sender = createSocket('udp4')
    try {
      const on = libc.allocate(4)
      new Uint32Array(on.bytes.buffer)[0] = 1
      libc.setsockopt(fd, c.SOL_SOCKET, c.SO_TIMESTAMPNS, on.address, 4)
      const name = libc.allocate(SOCKADDR_IN6_BYTES)
      const length = writeSockaddr(name.bytes, c.AF_INET, { host: '127.0.0.1', port: 0 })
      expect(libc.bind(fd, name.address, length)).toBe(0)
      const size = libc.allocate(4)
      new Uint32Array(size.bytes.buffer)[0] = SOCKADDR_IN6_BYTES
      libc.getsockname(fd, name.address, size.address)
      const { port } = readSockaddr(name.bytes, 0)
      const options = { batch: 4, messageBytes: 2048, family: c.AF_INET }
      const receiver = new Receiver({ ...libc, allocate, clock_gettime }, fd, options)
      const arrivals: number[] = []
      const sink = {
        onDatagram: (_region: unknown, _offset: number, _length: number, arrival: number) => {
          arrivals.push(arrival)
        },
      }
      const send = async (): Promise<void> => {
        await new Promise((resolve) => sender.send(new Uint8Array(8), port, '127.0.0.1', resolve))
        await sleep(10)
      }
      for (step of [0, STEP_SECONDS, -STEP_SECONDS]) {
        const before = nowMicros()
        expect(receiver.receive(sink)).toBe(true)
        await send()
        expect(receiver.receive(sink)).toBe(true)
        const arrival = arrivals.at(-1) ?? 0
        expect(arrival).toBeGreaterThanOrEqual(before)
        expect(arrival).toBeLessThanOrEqual(nowMicros())
      }
      expect(arrivals).toHaveLength(3)
      // A full batch leaves the socket's state unknown: the next one may hold what came before it was read.
      step = 0
      const start = nowMicros()
      for (let i = 0; i < 5; i++) await send()
      const sent = nowMicros()
      expect(receiver.receive(sink)).toBe(false)
      expect(receiver.receive(sink)).toBe(true)
      expect(arrivals).toHaveLength(8)
      for (const arrival of arrivals.slice(3)) {
        expect(arrival).toBeGreaterThan(start)
        expect(arrival).toBeLessThan(sent)
      }
    } finally {
      sender.close()
      libc.close(fd)
    }
  },
)

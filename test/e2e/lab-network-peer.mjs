// A UDP peer for the tests of the lab's network: echo, ping or blast, with nothing but node.
// Results go to the parent over IPC.
import { createSocket } from 'node:dgram'

const [role, ...rest] = process.argv.slice(2)
const socket = createSocket('udp4')
process.once('disconnect', () => process.exit(0))

/** Default buffers overflow whenever this process has to wait for the processor. */
const BUFFER_BYTES = 4 * 2 ** 20
const PACKET_BITS = 1436 * 8
/** Enough packets that one's time of arrival does not matter. */
const WINDOW_PACKETS = 200

/** Median over windows of Mbit/s at layer 3: one stall of a busy machine spoils one window. */
function medianRate(arrivals) {
  const rates = []
  for (let i = WINDOW_PACKETS; i < arrivals.length; i += WINDOW_PACKETS)
    rates.push((WINDOW_PACKETS * PACKET_BITS) / (arrivals[i] - arrivals[i - WINDOW_PACKETS]) / 1000)
  return rates.sort((a, b) => a - b)[rates.length >> 1]
}

const roles = {
  /** address port: sends small packets back; of large ones tells the rate when asked. */
  echo: (address, port) => {
    const large = []
    socket.on('message', (message, from) => {
      if (message.length < 1000) socket.send(message, from.port, from.address)
      else large.push(performance.now())
    })
    process.on('message', () => process.send?.({ mbps: medianRate(large) }))
    socket.bind(Number(port), address, () => {
      socket.setRecvBufferSize(BUFFER_BYTES)
      process.send?.({ isReady: true })
    })
  },
  /** address port: says hello there and tells the rate of what comes back when asked. */
  fetch: (address, port) => {
    const large = []
    socket.on('message', () => large.push(performance.now()))
    process.on('message', () => process.send?.({ mbps: medianRate(large) }))
    socket.bind(0, '127.90.0.2', () => {
      socket.setRecvBufferSize(BUFFER_BYTES)
      socket.send('hello', Number(port), address)
    })
  },
  /** address port count: round-trip times in ms. */
  ping: (address, port, count) => {
    const times = []
    socket.on('message', (message) => times.push(performance.now() - message.readDoubleLE(0)))
    const send = () => {
      const message = Buffer.alloc(64)
      message.writeDoubleLE(performance.now(), 0)
      socket.send(message, Number(port), address)
    }
    socket.bind(0, () => {
      for (let i = 0; i < Number(count); i++) setTimeout(send, 10 * i)
      setTimeout(() => process.send?.({ times }, () => process.exit(0)), 10 * Number(count) + 300)
    })
  },
  /** address port Mbit/s ms: data-sized packets at a rate of layer 3, to whoever speaks first if port is 0. */
  blast: (address, port, mbps, ms, bind) => {
    const message = Buffer.alloc(1408)
    const start = (toPort, toAddress) => {
      const begin = performance.now()
      let sent = 0
      const turn = () => {
        const elapsed = performance.now() - begin
        const due = Math.floor((Math.min(elapsed, Number(ms)) * Number(mbps) * 1000) / (1436 * 8))
        for (; sent < due; sent++) socket.send(message, toPort, toAddress)
        if (elapsed < Number(ms)) setImmediate(turn)
        else process.send?.({ sent }, () => process.exit(0))
      }
      turn()
    }
    if (bind === undefined) socket.bind(0, () => start(Number(port), address))
    else {
      socket.once('message', (_, from) => start(from.port, from.address))
      socket.bind(Number(port), address, () => process.send?.({ isReady: true }))
    }
  },
}
roles[role](...rest)

/**
 * The daemon's control socket: a Unix domain socket, mode 0600, in the data directory. One JSON object a line asks
 * (`{"method": "status"}`), one answers; `{"follow": name}` is answered with a line now and one whenever that changes, for as
 * long as the connection stands. For the owner's own commands; nothing on it comes from the network.
 */
import { chmod, unlink } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { UserError } from '../errors.js'
import type { Logger } from '../telemetry/logger.js'
import { type ControlAnswer, callControlSocket, LineReader } from './control-client.js'

export { callControlSocket } from './control-client.js'
export { type ControlFollowing, followControlSocket } from './control-feed.js'

export type ControlHandlers = Readonly<Record<string, (params: unknown) => Promise<unknown>>>

/** Tells a value now and whenever it changes; the function that it gives ends that. */
export type ControlFeed = (tell: (value: unknown) => void) => () => void
export type ControlFeeds = Readonly<Record<string, ControlFeed>>

export interface ControlSocket {
  readonly path: string
  /** Closes the socket and removes its file. */
  close(): Promise<void>
}

/** sockaddr_un holds 108 bytes on Linux, 104 on macOS, with the final zero. */
const MAX_PATH_BYTES = 103
const MAX_REQUEST_BYTES = 65_536
const MAX_CONNECTIONS = 16
const IDLE_MS = 10_000
const MOST_UNREAD_BYTES = 65_536

/** @throws UserError LOCKED where another daemon answers on the path; UNAVAILABLE where it cannot be bound */
export async function serveControlSocket(
  path: string,
  handlers: ControlHandlers,
  log: Logger,
  feeds: ControlFeeds = {},
): Promise<ControlSocket> {
  if (Buffer.byteLength(path) > MAX_PATH_BYTES)
    throw new UserError(`the path of the control socket is too long: ${path}`, {
      code: 'UNAVAILABLE',
      remedy: 'use a data directory with a shorter path',
    })
  await removeStale(path)
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    attend(socket, { handlers, feeds }, log)
  })
  server.maxConnections = MAX_CONNECTIONS
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    // The file is born private: between bind and chmod nobody else may connect.
    const before = process.umask(0o177)
    try {
      server.listen(path, resolve)
    } finally {
      process.umask(before)
    }
  }).catch((cause: unknown) => {
    throw new UserError(`cannot open the control socket ${path}`, {
      code: 'UNAVAILABLE',
      remedy: 'check the owner and mode of the data directory',
      cause,
    })
  })
  await chmod(path, 0o600)
  return {
    path,
    close: async () => {
      for (const socket of open) socket.destroy()
      // Node removes the file with the server.
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

/** A killed daemon leaves its socket behind; a living one answers on it. */
async function removeStale(path: string): Promise<void> {
  try {
    await callControlSocket(path, 'ping', { deadlineMs: 2000 })
  } catch (error) {
    const cause = error instanceof UserError ? error.cause : undefined
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    if (code !== 'ECONNREFUSED' && code !== 'ENOENT') throw inUse(path)
    await unlink(path).catch((cause: unknown) => {
      if (!(cause instanceof Error && 'code' in cause && cause.code === 'ENOENT')) throw cause
    })
    return
  }
  throw inUse(path)
}

const inUse = (path: string): UserError =>
  new UserError(`another daemon answers on ${path}`, {
    code: 'LOCKED',
    remedy: 'stop the other plumbline, or give this one its own --data-dir',
  })

interface Served {
  readonly handlers: ControlHandlers
  readonly feeds: ControlFeeds
}

function attend(socket: Socket, served: Served, log: Logger): void {
  const reader = new LineReader(MAX_REQUEST_BYTES)
  socket.setTimeout(IDLE_MS, () => socket.destroy())
  socket.on('error', () => socket.destroy())
  let last = Promise.resolve()
  socket.on('data', (chunk) => {
    let lines: readonly string[]
    try {
      lines = reader.push(chunk)
    } catch {
      socket.destroy()
      return
    }
    // One after the other, so that answers keep the order of the questions; reading waits meanwhile.
    for (const line of lines) {
      socket.pause()
      last = last.then(async () => {
        const request = requestOf(line)
        if (follows(socket, request, served.feeds)) return
        const answer = await respond(request, served.handlers, log)
        if (!socket.destroyed) socket.write(`${JSON.stringify(answer)}\n`)
        socket.resume()
      })
    }
  })
}

interface Request {
  readonly method?: unknown
  readonly params?: unknown
  readonly follow?: unknown
}

/** Undefined for what is no JSON. */
function requestOf(line: string): Request | undefined {
  try {
    const request: unknown = JSON.parse(line)
    return typeof request === 'object' && request !== null ? request : {}
  } catch {
    return undefined
  }
}

/** Whether it asks for a feed: then the connection is for nothing else any more. */
function follows(socket: Socket, request: Request | undefined, feeds: ControlFeeds): boolean {
  const name = request?.follow
  const feed = typeof name === 'string' && Object.hasOwn(feeds, name) ? feeds[name] : undefined
  if (feed === undefined || socket.destroyed) return false
  socket.setTimeout(0)
  const end = feed((result) => {
    // Who does not read is not written to for ever.
    if (socket.writableLength > MOST_UNREAD_BYTES) socket.destroy()
    else socket.write(`${JSON.stringify({ result })}\n`)
  })
  socket.once('close', end)
  // What it still says is dropped, and its end is noticed.
  socket.removeAllListeners('data')
  socket.resume()
  return true
}

async function respond(
  request: Request | undefined,
  handlers: ControlHandlers,
  log: Logger,
): Promise<ControlAnswer> {
  if (request === undefined) return { error: { code: 'BAD_MESSAGE', message: 'not JSON' } }
  const { method, params } = request
  if (method === 'ping') return { result: 'pong' }
  const handler = typeof method === 'string' && Object.hasOwn(handlers, method) ? handlers[method] : undefined
  if (handler === undefined) return { error: { code: 'BAD_MESSAGE', message: 'no such method' } }
  try {
    return { result: (await handler(params)) ?? null }
  } catch (error) {
    if (error instanceof UserError) return { error: { code: error.code, message: error.line } }
    log.error({ err: error, method }, 'a control request failed')
    return { error: { code: 'UNAVAILABLE', message: 'internal error; see the log of the daemon' } }
  }
}

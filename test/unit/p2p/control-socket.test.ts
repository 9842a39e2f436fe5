import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { UserError } from '../../../src/errors.js'
import {
  type ControlHandlers,
  type ControlSocket,
  callControlSocket,
  serveControlSocket,
} from '../../../src/p2p/control-socket.js'
import { silentLogger } from '../../../src/telemetry/logger.js'

let directory = ''
let path = ''
let socket: ControlSocket | undefined
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'plumbline-control-'))
  path = join(directory, 'control.sock')
})
afterEach(async () => {
  await socket?.close()
  socket = undefined
  await rm(directory, { recursive: true, force: true })
})
const serve = async (handlers: ControlHandlers): Promise<void> => {
  socket = await serveControlSocket(path, handlers, silentLogger)
}
const code = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (error: unknown) => {
      if (!(error instanceof UserError)) throw error
      return error.code
    },
  )

describe('the control socket', () => {
  it('answers its owner, privately, and removes its file', async () => {
    await serve({ status: async (params) => ({ healthy: true, params }) })
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await callControlSocket(path, 'status')).toEqual({ healthy: true })
    expect(await callControlSocket(path, 'status', { params: [1] })).toEqual({ healthy: true, params: [1] })
    await socket?.close()
    socket = undefined
    expect(await code(callControlSocket(path, 'status'))).toBe('UNAVAILABLE')
  })

  it('passes on user errors, and of bugs only that there was one', async () => {
    await serve({
      refuse: async () => {
        throw new UserError('not now', { code: 'BUSY', remedy: 'wait' })
      },
      bug: async () => {
        throw new Error('password hunter2')
      },
    })
    await expect(callControlSocket(path, 'refuse')).rejects.toThrow('not now; wait')
    expect(await code(callControlSocket(path, 'refuse'))).toBe('BUSY')
    await expect(callControlSocket(path, 'bug')).rejects.toThrow('internal error')
    expect(await code(callControlSocket(path, 'toString'))).toBe('BAD_MESSAGE')
  })

  it('refuses a second daemon, but not the leftovers of a killed one', async () => {
    await serve({})
    expect(await code(serveControlSocket(path, {}, silentLogger))).toBe('LOCKED')
    await socket?.close()
    socket = undefined
    const script = `require('node:net').createServer().listen(process.argv[1], () => console.log('up'))`
    const child = spawn(process.execPath, ['-e', script, path], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(child.stdout, 'data')
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect((await stat(path)).isSocket()).toBe(true)
    await serve({ status: async () => 'fresh' })
    expect(await callControlSocket(path, 'status')).toBe('fresh')
  })

  it('survives garbage, long lines and many connections', async () => {
    await serve({ status: async () => 'fine' })
    const say = (text: string): Promise<string> =>
      new Promise((resolve) => {
        let heard = ''
        const raw = connect(path, () => raw.write(text))
        raw.on('data', (chunk) => {
          heard += String(chunk)
          raw.end()
        })
        raw.on('error', () => resolve('error'))
        raw.on('close', () => resolve(heard))
      })
    expect(await say('hello\n')).toContain('not JSON')
    expect(await say('null\n')).toContain('no such method')
    expect(await say('{"method": {}}\n')).toContain('no such method')
    expect(await say('x'.repeat(100_000))).toMatch(/^(?:error)?$/)
    const answers = await Promise.all(Array.from({ length: 10 }, () => callControlSocket(path, 'status')))
    expect(new Set(answers)).toEqual(new Set(['fine']))
  })

  it('gives up on a daemon that hangs', async () => {
    await serve({ status: () => new Promise(() => {}) })
    expect(await code(callControlSocket(path, 'status', { deadlineMs: 100 }))).toBe('TIMEOUT')
  })

  it('says that a path is too long for a socket', async () => {
    expect(await code(serveControlSocket(join(directory, 'x'.repeat(120)), {}, silentLogger))).toBe(
      'UNAVAILABLE',
    )
  })
})

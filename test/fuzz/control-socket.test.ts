/** Both ends of the control socket, on a real one: whatever comes is answered or refused in one line. FUZZ_RUNS for more. */
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { callControlSocket, LineReader } from '../../src/p2p/control-client.js'
import { type ControlSocket, serveControlSocket } from '../../src/p2p/control-socket.js'
import { silentLogger } from '../../src/telemetry/logger.js'
import { hostileJson } from '../support/json-mutations.js'
import { fewRuns, settleOrRefuse } from '../support/mutations.js'

let directory: string
let daemon: ControlSocket
let liar: Server
let lie = ''
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'plumbline-'))
  daemon = await serveControlSocket(
    join(directory, 'a'),
    { status: async (params) => ({ params: params ?? null }) },
    silentLogger,
  )
  liar = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end(lie))
  })
  await new Promise<void>((resolve) => liar.listen(join(directory, 'b'), resolve))
})
afterAll(async () => {
  await daemon.close()
  await new Promise((resolve) => liar.close(resolve))
  await rm(directory, { recursive: true })
})

/** Sends lines, and resolves with as many lines of answer. */
function answersTo(requests: readonly string[]): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const reader = new LineReader(2 ** 20)
    const answers: string[] = []
    const socket = connect(daemon.path, () => socket.write(requests.map((each) => `${each}\n`).join('')))
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('closed before it answered')))
    socket.on('data', (chunk) => {
      answers.push(...reader.push(chunk))
      if (answers.length < requests.length) return
      socket.removeAllListeners('close').destroy()
      resolve(answers)
    })
  })
}

const oneLine = (json: string) => json.replaceAll('\n', ' ')

describe('the control socket', () => {
  it('answers each line, whatever is in it', async () => {
    const request = hostileJson({ method: 'status', params: { a: [1, 'x'] } }).map(oneLine)
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 5 }), async (requests) => {
        const answers = await answersTo(requests)
        expect(answers).toHaveLength(requests.length)
        for (const each of answers) expect(Object.keys(JSON.parse(each)).join()).toMatch(/^(result|error)$/)
      }),
      { numRuns: fewRuns(0.02) },
    )
  })

  it('is asked with an answer or a refusal in one line, whoever answers', async () => {
    const path = join(directory, 'b')
    const answer = fc.oneof(
      hostileJson({ result: { roles: ['prover'] } }),
      hostileJson({ error: { code: 'BAD_MESSAGE', message: 'no such method' } }),
    )
    await fc.assert(
      fc.asyncProperty(answer, fc.boolean(), async (said, isWhole) => {
        lie = isWhole ? `${said}\n` : said
        await settleOrRefuse(() => callControlSocket(path, 'status'))
      }),
      { numRuns: fewRuns(0.05) },
    )
  })
})

/** Streams of transcripts as servers send them: in other forms, not at all, broken off, and without a line's end. */
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { JobAnswer } from '../../../../src/inference/job.js'
import { transcriptEvents } from '../../../../src/inference/upstream/transcript.js'
import { UpstreamJobs } from '../../../../src/inference/upstream/upstream-jobs.js'

let server: Server
let jobs: UpstreamJobs
let model = ''
let answer: (response: ServerResponse) => void = () => undefined

beforeAll(async () => {
  server = createServer(async (request, response) => {
    for await (const _ of request);
    if (request.url === '/v1/models') response.end(JSON.stringify({ data: [{ id: 'heard' }] }))
    else answer(response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  jobs = new UpstreamJobs({
    baseUrl: `http://127.0.0.1:${port}/v1`,
    tasks: new Map([['heard', 'transcribe']]),
  })
  model = (await jobs.models())[0]?.sha256 ?? ''
})
afterAll(async () => {
  await jobs.close()
  server.closeAllConnections()
  server.close()
})

const parts: string[] = []
function run(): Promise<JobAnswer> {
  parts.length = 0
  const input = { kind: 'sound', sampleRate: 16_000, pcm16: new Uint8Array(3200) } as const
  const job = { task: 'transcribe', model, input, parameters: {} } as const
  return jobs.run(job, { onText: (text) => parts.push(text) })
}

const events =
  (...data: readonly unknown[]) =>
  (response: ServerResponse): void => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const each of data)
      response.write(`data: ${typeof each === 'string' ? each : JSON.stringify(each)}\n\n`)
    response.end()
  }
const delta = (text: string) => ({ type: 'transcript.text.delta', delta: text })
const chunk = (content: string, reason: string | null = null) => ({
  object: 'transcription.chunk',
  choices: [{ index: 0, delta: { content }, finish_reason: reason }],
})
const broken = { code: 'UNAVAILABLE', message: expect.stringMatching(/ended before the transcript did/) }

it('a server that does not stream a model answers as ever, and its text is there', async () => {
  answer = (response) =>
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ text: ' hello there ' }, null, 2))
  expect((await run()).output).toMatchObject({ text: 'hello there' })
  answer = (response) => response.writeHead(200).end('{"words": 1}')
  await expect(run()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  answer = (response) => response.writeHead(200).end('<html>\n</html>')
  await expect(run()).rejects.toMatchObject(broken)
})

it('chunks of choices, as vLLM sends them', async () => {
  answer = events(chunk(' hello'), chunk(' there', 'stop'), { choices: [], usage: {} }, '[DONE]')
  expect((await run()).output).toMatchObject({ text: 'hello there' })
  expect(parts.join('')).toMatch(/^\s?hello there$/)
})

it('one that ends before its transcript did is no transcript', async () => {
  answer = events(delta('hello'))
  await expect(run()).rejects.toMatchObject(broken)
  answer = events(chunk('hello'))
  await expect(run()).rejects.toMatchObject(broken)
  answer = events()
  await expect(run()).rejects.toMatchObject(broken)
})

it('one in a form that is not known is not taken for silence', async () => {
  answer = events({ type: 'text', value: 'hello' }, '[DONE]')
  await expect(run()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  answer = events('[DONE]')
  expect((await run()).output).toMatchObject({ text: '' })
})

it('a line that never ends is read once, not anew with each of its pieces', async () => {
  const piece = Buffer.alloc(1024, 'a')
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('data: ')
    for (let i = 0; i < 8000; i++) yield piece
  }
  const started = performance.now()
  await (async () => {
    for await (const _ of transcriptEvents(pieces()));
  })().catch(() => undefined)
  expect(performance.now() - started).toBeLessThan(3000)
})

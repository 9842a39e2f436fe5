/** What an upstream server answers: lists, transcripts, streams and errors, from a real server. FUZZ_RUNS for more. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Job } from '../../src/inference/job.js'
import { servedModels } from '../../src/inference/upstream/models.js'
import { transcriptEvents, transcriptionOf } from '../../src/inference/upstream/transcript.js'
import { UpstreamJobs } from '../../src/inference/upstream/upstream-jobs.js'
import { hostileJson } from '../support/json-mutations.js'
import { applyEdits, edits, fewRuns, settleOrRefuse } from '../support/mutations.js'

const LIST = {
  object: 'list',
  data: [
    {
      id: 'whisper',
      created: 1_700_000_000,
      task: 'transcribe',
      languages: ['en'],
      licence: 'mit',
      sha256: 'ab'.repeat(32),
      unit: 'audio-second',
    },
  ],
}
const TRANSCRIPT = {
  text: ' four two',
  language: 'en',
  words: [{ word: 'four', start: 0.1, end: 0.5 }],
  segments: [{ text: ' four two', start: 0, end: 1.5, avg_logprob: -0.3 }],
}
const EVENTS = [
  { type: 'transcript.text.delta', delta: 'four' },
  { type: 'transcript.text.done', text: 'four two' },
  { error: { message: 'out of memory' } },
]
const ERROR = { error: { message: 'no such model', type: 'invalid_request_error', param: null, code: null } }
const upstream = { url: 'http://127.0.0.1/v1/', owner: 'upstream', tasks: new Map() }

const parsed = (json: string): unknown => {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}
const lines = (json: string) => `data: ${json}\n\n`
const hostileStream = fc.oneof(
  fc
    .array(fc.oneof(...EVENTS.map((event) => hostileJson(event))), { maxLength: 4 })
    .map((events) => new Uint8Array(Buffer.from(events.map(lines).join('')))),
  edits.map((list) =>
    applyEdits(Buffer.from(EVENTS.map((event) => lines(JSON.stringify(event))).join('')), list),
  ),
)

describe("an upstream's answer", () => {
  it('is a list of models or none', () => {
    fc.assert(
      fc.property(hostileJson(LIST), (json) => {
        for (const { id, sha256, addedAtMs } of servedModels(parsed(json), upstream) ?? []) {
          expect([id.length > 0 && id.length <= 200, /^[0-9a-f]{64}$/.test(sha256)]).toEqual([true, true])
          expect(Number.isFinite(addedAtMs)).toBe(true)
        }
      }),
      { numRuns: fewRuns(0.2) },
    )
  })

  it('is a transcript whose times and confidences are numbers, or none', () => {
    fc.assert(
      fc.property(hostileJson(TRANSCRIPT), (json) => {
        for (const { startSeconds, endSeconds, confidence } of transcriptionOf(parsed(json))?.words ?? []) {
          expect(startSeconds >= 0 && endSeconds >= startSeconds && Number.isFinite(endSeconds)).toBe(true)
          expect(confidence >= 0 && confidence <= 1).toBe(true)
        }
      }),
      { numRuns: fewRuns(0.2) },
    )
  })

  it('is a stream of events, or ends with what its reader knows', async () => {
    await fc.assert(
      fc.asyncProperty(hostileStream, fc.integer({ min: 1, max: 100 }), async (stream, size) => {
        async function* pieces() {
          for (let at = 0; at < stream.length; at += size) yield stream.subarray(at, at + size)
        }
        try {
          for await (const event of transcriptEvents(pieces())) expect(typeof event).toBe('object')
        } catch (error) {
          if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error
        }
      }),
      { numRuns: fewRuns(0.05) },
    )
  })
})

describe('an upstream server', () => {
  let next: { readonly status: number; readonly body: Uint8Array; readonly retryAfter: string } | undefined
  let server: Server
  let jobs: UpstreamJobs
  beforeAll(async () => {
    server = createServer((request, response) => {
      request.resume()
      const { status, body, retryAfter } = next ?? {
        status: 200,
        body: Buffer.from(JSON.stringify(LIST)),
        retryAfter: '',
      }
      response.writeHead(status, retryAfter === '' ? {} : { 'retry-after': retryAfter })
      response.end(body)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    jobs = new UpstreamJobs({ baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` })
    await jobs.models()
  })
  afterAll(async () => {
    await jobs.close()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })

  it('gets nothing but a refusal in one line for what it answers', async () => {
    const sound = { kind: 'sound', sampleRate: 16_000, pcm16: new Uint8Array(3200) } as const
    const job: Job = { task: 'transcribe', model: 'ab'.repeat(32), input: sound, parameters: {} }
    const body = fc.oneof(
      hostileJson(TRANSCRIPT).map((json) => new Uint8Array(Buffer.from(json))),
      hostileJson(ERROR).map((json) => new Uint8Array(Buffer.from(json))),
      hostileStream,
    )
    const status = fc.constantFrom(200, 200, 200, 204, 400, 401, 402, 404, 408, 429, 500, 503, 504)
    const retryAfter = fc.constantFrom('', '3', '-1', '99999999999', 'Thu, 01 Jan 1970 00:00:00 GMT', 'x')
    await fc.assert(
      fc.asyncProperty(status, body, retryAfter, fc.boolean(), async (code, content, after, isStream) => {
        next = { status: code, body: content, retryAfter: after }
        const options = isStream ? { onText: () => {} } : {}
        await settleOrRefuse(() => jobs.run(job, options))
      }),
      { numRuns: fewRuns(0.05) },
    )
    // And after all that what it should.
    for (const content of [
      JSON.stringify(TRANSCRIPT),
      EVENTS.slice(0, 2)
        .map((each) => lines(JSON.stringify(each)))
        .join(''),
    ]) {
      next = { status: 200, body: Buffer.from(content), retryAfter: '' }
      const options = content.startsWith('{') ? {} : { onText: () => {} }
      expect((await jobs.run(job, options)).output).toMatchObject({
        text: expect.stringContaining('four two'),
      })
    }
  })
})

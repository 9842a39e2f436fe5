/** An upstream whose JSON says half a character (a lone surrogate): nothing behind it can, so it becomes U+FFFD. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Task } from '../../../../src/inference/catalogue/card.js'
import { decodeOutput, encodeOutput } from '../../../../src/inference/network/job-codec.js'
import { UpstreamJobs } from '../../../../src/inference/upstream/upstream-jobs.js'

let server: Server
let baseUrl: string
let answer = ''
beforeAll(async () => {
  server = createServer(async (request, response) => {
    for await (const _ of request);
    const isList = request.url === '/v1/models'
    const type = answer.startsWith('data:') ? 'text/event-stream' : 'application/json'
    response.writeHead(200, { 'content-type': isList ? 'application/json' : type })
    response.end(isList ? String.raw`{"data":[{"id":"heard","languages":["e\ud800"]}]}` : answer)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

async function run(task: Task, onText?: (text: string) => void) {
  const jobs = new UpstreamJobs({ baseUrl, tasks: new Map([['heard', task]]) })
  try {
    const [model] = await jobs.models()
    expect(model?.languages).toEqual(['e\ufffd'])
    const input = { kind: 'sound', sampleRate: 16_000, pcm16: new Uint8Array(3200) } as const
    const job = { task, model: model?.sha256 ?? '', input, parameters: {} }
    return (await jobs.run(job, onText === undefined ? {} : { onText })).output
  } finally {
    await jobs.close()
  }
}

describe('half a character of an upstream', () => {
  it.each<readonly [Task, string, object]>([
    [
      'transcribe',
      String.raw`{"text":"a\ud800b","language":"\udc00","words":[{"word":"\ud800","start":0,"end":1}]}`,
      { text: 'a\ufffdb', words: [{ text: '\ufffd' }] },
    ],
    ['translate', String.raw`{"text":"a\udc00"}`, { text: 'a\ufffd' }],
    [
      'identify',
      String.raw`{"languages":[{"language":"\ud800","probability":1}]}`,
      { labels: [{ label: '\ufffd' }] },
    ],
  ])('to %s is sold as one that can be sent', async (task, said, expected) => {
    answer = said
    const output = await run(task)
    expect(output).toMatchObject(expected)
    // What it calls the language need be none that can be sold.
    const sold = output.kind === 'transcription' ? { ...output, language: null } : output
    expect(decodeOutput(encodeOutput(sold))).toEqual(sold)
  })

  it('in a stream is made whole where the other half comes with the next part', async () => {
    answer = [
      String.raw`{"type":"transcript.text.delta","delta":"go \ud83d"}`,
      String.raw`{"type":"transcript.text.delta","delta":"\ude80 \ud800x"}`,
      String.raw`{"type":"transcript.text.done","text":"go \ud83d\ude80 \ud800x"}`,
    ]
      .map((event) => `data: ${event}\n\n`)
      .join('')
    const parts: string[] = []
    expect(await run('transcribe', (part) => parts.push(part))).toMatchObject({ text: 'go 🚀 \ufffdx' })
    expect(parts).toEqual(['go ', '🚀 \ufffdx'])
  })
})

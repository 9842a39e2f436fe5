/** What somebody without a key can make a gateway hold, or write: next to nothing, however slow what is behind it may be. */
import { afterEach, describe, expect, it } from 'vitest'
import { ApiKeys, Gateway, type GatewayLimits } from '../../../../src/inference/gateway/index.js'
import type { ServedModel } from '../../../../src/inference/job.js'
import type { Logger } from '../../../../src/telemetry/logger.js'
import { type Answer, ask, raw } from './http-client.js'
import { ScriptedSource } from './scripted-source.js'

const KEY = 'a-key-of-some-thirty-characters'
const MOST_UNANSWERED = 16
/** A list is asked for anew when it is older. */
const FRESH_MS = 3000

type Line = Readonly<Record<string, unknown>>
const lines: Line[] = []
const log: Logger = {
  ...{ error: () => undefined, warn: () => undefined, debug: () => undefined, trace: () => undefined },
  info: (fields: string | Line) => {
    if (typeof fields !== 'string') lines.push(fields)
  },
  child: () => log,
}

/** Its list comes when the test says so. */
class SlowSource extends ScriptedSource {
  looks = 0
  readonly #waiting: (() => void)[] = []
  isSlow = true
  unpayable: () => string | undefined = () => undefined

  override async models(): Promise<readonly ServedModel[]> {
    this.looks++
    if (this.isSlow) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    return this.list
  }

  tell(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

let gateway: Gateway | undefined
async function start(limits: Partial<GatewayLimits> = {}) {
  const source = new SlowSource()
  lines.length = 0
  gateway = await Gateway.start(
    { host: '127.0.0.1', port: 0, keys: new ApiKeys([KEY]), limits },
    { source, log },
  )
  return { source, url: gateway.url }
}
afterEach(() => gateway?.stop())

async function eventually(check: () => boolean): Promise<void> {
  for (let tries = 0; tries < 600 && !check(); tries++) await new Promise((tick) => setTimeout(tick, 20))
  expect(check()).toBe(true)
}
const probe = 'GET /ready HTTP/1.1\r\nhost: localhost\r\n\r\n'

describe('requests that are sent before those ahead of them are answered', () => {
  it('are few, or the connection is closed, and nothing is left of those that waited', async () => {
    const { source, url } = await start()
    // Unanswered as long as the source says nothing.
    const received = await raw(url, (send) => send(probe.repeat(1000)))
    expect(received).toBe('')
    await eventually(() => lines.length >= MOST_UNANSWERED)
    // Each is over, those too whose turn never came.
    expect(lines).toHaveLength(MOST_UNANSWERED)
    for (const line of lines) expect(line).toMatchObject({ path: '/ready', status: 499 })
    source.tell()
  })

  it('are answered in their order where they are few', async () => {
    const { source, url } = await start()
    const last = probe.replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n')
    const answered = raw(url, (send) => send(`${probe.repeat(MOST_UNANSWERED - 1)}${last}`))
    await eventually(() => source.looks === 1)
    source.tell()
    expect((await answered).match(/HTTP\/1\.1 200 OK/g)).toHaveLength(MOST_UNANSWERED)
  })
})

describe('probes', () => {
  const ready = (url: string): Promise<Answer> => ask(`${url}/ready`)

  it('share one look, and more of them than there is room for are told at once', async () => {
    const { source, url } = await start({ probes: 2 })
    const all = [ready(url), ready(url), ready(url)]
    const refused = await Promise.race(all)
    expect([refused.status, refused.error.code]).toEqual([503, 'unavailable'])
    expect((await ask(`${url}/health`)).status).toBe(200)
    source.tell()
    const statuses = (await Promise.all(all)).map(({ status }) => status)
    expect(statuses.sort()).toEqual([200, 200, 503])
    expect(source.looks).toBe(1)
  })

  it('are told where nothing can be paid, and nothing is free', async () => {
    const { source, url } = await start()
    source.isSlow = false
    const [model] = source.list
    if (model === undefined) throw new Error('no model')
    const reason = 'a gateway is running and has its channels'
    source.unpayable = () => reason
    source.list = [{ ...model, priceWeiPerUnit: 7n }]
    const { status, text } = await ready(url)
    expect([status, JSON.parse(text)]).toEqual([503, { status: 'cannot pay', models: 1, reason }])
    source.unpayable = () => undefined
    expect((await ready(url)).status).toBe(200)
  })

  it('are well where something is free, whoever has the ledger', async () => {
    const { source, url } = await start()
    source.isSlow = false
    source.unpayable = () => 'a gateway is running and has its channels'
    source.list = source.list.flatMap((model) => [
      { ...model, priceWeiPerUnit: 7n },
      { ...model, priceWeiPerUnit: 0n },
    ])
    expect((await ready(url)).status).toBe(200)
  })

  it('learn what is known, and wait for nothing, once something is', async () => {
    const { source, url } = await start()
    source.isSlow = false
    expect((await ready(url)).status).toBe(200)
    source.isSlow = true
    source.list = []
    await new Promise((later) => setTimeout(later, FRESH_MS + 100))
    const { status, text } = await ready(url)
    expect([status, JSON.parse(text)]).toEqual([200, { status: 'ready', models: 1 }])
    expect(source.looks).toBe(2)
    // The look beside it tells the next one.
    source.tell()
    expect((await ready(url)).status).toBe(503)
  })
})

it('a path is written to the log up to a line, not as long as it is', async () => {
  const { url } = await start()
  expect((await ask(`${url}/${'A'.repeat(15_000)}`)).status).toBe(401)
  await eventually(() => lines.length === 1)
  expect(String(lines[0]?.path)).toHaveLength(200)
})

import { describe, expect, it } from 'vitest'
import { Identity } from '../../../src/crypto/identity.js'
import { createLogger, type LogLevel } from '../../../src/telemetry/logger.js'

const capture = (format: 'json' | 'pretty', level: LogLevel = 'trace') => {
  const lines: string[] = []
  return { lines, log: createLogger({ format, level, write: (line) => lines.push(line) }) }
}

describe('the log', () => {
  it('hides whatever is named like a secret, at any depth, in children too, and shows public keys', () => {
    for (const format of ['json', 'pretty'] as const) {
      const { lines, log } = capture(format)
      const secrets = {
        key: 'S3CRET',
        privateKey: 'S3CRET',
        secretKey: Uint8Array.of(0x5e, 0xc2),
        passphrase: 'S3CRET',
        password: 'S3CRET',
        seed: 'S3CRET',
        mnemonic: 'S3CRET',
        nested: { deeper: [{ apiKey: 'S3CRET' }] },
        secrets: ['S3CRET'],
      }
      log.info(secrets, 'one')
      log.child({ passphrase: 'S3CRET', component: 'x' }).warn({ map: new Map([['seed', 'S3CRET']]) }, 'two')
      log.error({ err: Object.assign(new Error('failed'), { privateKey: 'S3CRET' }) }, 'three')
      log.info({ publicKey: Uint8Array.of(0xab, 0xcd), monkey: 'fine?' }, 'four')
      const all = lines.join('')
      expect(all).not.toContain('S3CRET')
      expect(all).not.toContain('5ec2')
      expect(all).toContain('abcd')
      expect(lines).toHaveLength(4)
    }
  })

  it('shows an identity by its address', () => {
    const { lines, log } = capture('json')
    const identity = Identity.generate()
    log.info({ identity }, 'hello')
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      identity: { address: identity.address },
      msg: 'hello',
      level: 'info',
    })
  })

  it('bounds what it writes: depth, items, text, bytes', () => {
    const { lines, log } = capture('json')
    const deep: Record<string, unknown> = {}
    deep.self = deep
    log.info(
      {
        deep,
        list: new Array(10_000).fill(1),
        text: 'x'.repeat(100_000),
        bytes: new Uint8Array(1_000_000),
        big: 2n ** 70n,
      },
      'x',
    )
    expect((lines[0] ?? '').length).toBeLessThan(5000)
    expect(lines[0]).toContain('<1000000 bytes>')
    expect(lines[0]).toContain((2n ** 70n).toString())
  })

  it('keeps control characters of others off the terminal', () => {
    const { lines, log } = capture('pretty')
    log.info({ agent: 'evil\u001b[2J\nINFO fake line' }, 'identified')
    expect(lines).toHaveLength(1)
    for (const hidden of ['\n', '\u001b']) expect(lines[0]?.trimEnd()).not.toContain(hidden)
  })

  it('obeys its level', () => {
    const { lines, log } = capture('pretty', 'warn')
    log.info('no')
    log.warn('yes')
    expect(lines.join('')).toMatch(/^\d\d:\d\d:\d\d WARN {2}yes\n$/)
    const silent = capture('json', 'silent')
    silent.log.error('no')
    expect(silent.lines).toEqual([])
  })
})

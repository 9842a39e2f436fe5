import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { dataPaths } from '../../../src/config/paths.js'
import { parseRegistry } from '../../../src/pob/registry.js'
import { identityOf } from '../../support/challenge-builder.js'
import { complaint, run } from './in-process.js'

let root: string
const env = { PLUMBLINE_PASSPHRASE: 'correct horse' }
const file = (name: string): string => join(root, name)
const node = (): string => file('node')

const server = (i: number) => ({
  peerId: identityOf(`server ${i}`).peerId,
  operator: `operator ${i}`,
  host: `192.0.2.${i}`,
  udpPort: 4022,
  addresses: [`/ip4/192.0.2.${i}/tcp/4021`],
  uplinkMbps: 100.5,
})

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'plumbline-cli-registry-'))
  await run(['init', '--data-dir', node(), '--key-cost', 'light'], { env })
})
afterAll(() => rm(root, { recursive: true, force: true }))

const sign = (list: string, ...args: string[]) =>
  run(['registry', 'sign', list, '--data-dir', node(), ...args], { env })

describe('registry', () => {
  it('makes a signed file out of a list, and shows it', async () => {
    const list = file('list.yaml')
    await writeFile(list, stringify([server(1), server(2)]))
    const signed = await sign(list, '--json')
    expect(signed.status).toBe(0)
    const { path, hash, publisher } = JSON.parse(signed.stdout)
    expect(path).toBe(dataPaths(node()).registry)
    expect(parseRegistry(await readFile(path, 'utf8')).entries).toHaveLength(2)
    const shown = await run(['registry', 'show', path, '--json'])
    const value = JSON.parse(shown.stdout)
    expect(value).toMatchObject({ hash, publisher })
    const wanted = [server(1), server(2)].sort((a, b) => (a.peerId < b.peerId ? -1 : 1))
    const found = value.entries.map(({ publicKey: _, ...rest }: { publicKey: string }) => rest)
    expect(
      found.sort((a: { peerId: string }, b: { peerId: string }) => (a.peerId < b.peerId ? -1 : 1)),
    ).toEqual(wanted)
    const text = (await run(['registry', 'show', '--data-dir', node()])).stdout
    expect(text).toContain('operator 1')
    expect(text.split('\n').filter((line) => line.length > 80 && !line.includes(root))).toEqual([])
  })

  it('replaces an older registry, and takes it as the list', async () => {
    const out = file('again.json')
    await writeFile(file('three.yaml'), stringify({ entries: [server(3)] }))
    expect(await sign(file('three.yaml'), '--out', out)).toMatchObject({ status: 0 })
    expect(await sign(out, '--out', out)).toMatchObject({ status: 0 })
    expect(parseRegistry(await readFile(out, 'utf8')).entries).toHaveLength(1)
  })

  it('leaves a file alone that is no registry', async () => {
    await writeFile(file('one.yaml'), stringify([server(1)]))
    const precious = dataPaths(node()).config
    const before = await readFile(precious, 'utf8')
    expect(complaint(await sign(file('one.yaml'), '--out', precious))).toContain('is no registry')
    expect(await readFile(precious, 'utf8')).toBe(before)
  })

  it('prints the entry of a node so that sign accepts it', async () => {
    const entry = await run([
      ...['registry', 'entry', '--data-dir', node(), '--host', '203.0.113.7'],
      ...['--uplink', '40', '--operator', 'example.org'],
    ])
    expect(entry.status).toBe(0)
    expect(parse(entry.stdout)).toMatchObject([
      { host: '203.0.113.7', uplinkMbps: 40, udpPort: 4022, addresses: ['/ip4/203.0.113.7/tcp/4021'] },
    ])
    await writeFile(file('own.yaml'), entry.stdout)
    expect(await sign(file('own.yaml'), '--out', file('own.json'))).toMatchObject({ status: 0 })
  })

  it.each([
    [[], '--host is missing'],
    [['--host', 'example.org'], '--host expects an IP address'],
    [['--host', '192.0.2.1'], "this node's uplink is not known; give --uplink"],
    [['--host', '192.0.2.1', '--uplink', '5'], "this node's operator is not known; give --operator"],
  ])('entry with %j says what is missing', async (args, expected) => {
    const outcome = await run(['registry', 'entry', '--data-dir', node(), ...args])
    expect(complaint(outcome)).toContain(expected)
    expect(outcome.status).toBe(2)
  })

  const { operator: _, ...withoutOperator } = server(1)
  it.each([
    ['no list', 'hello', 'holds no list of entries'],
    ['nothing', '[]', 'holds no list of entries'],
    ['broken YAML', '- peerId: [', 'mend the YAML'],
    ['a missing field', stringify([server(2), withoutOperator]), ':8:3: [1].operator: expected string'],
    ['a name for a host', stringify([{ ...server(1), host: 'example.org' }]), 'expected an IP address'],
    ['an unknown field', stringify([{ ...server(1), uplink: 5 }]), 'uplink'],
    ['two uplinks', stringify([{ ...server(1), uplinkKbps: 5 }]), 'either uplinkMbps or uplinkKbps'],
    ['a strange id', stringify([{ ...server(1), peerId: 'QmNothing' }]), 'QmNothing'],
    ['a key twice', stringify([server(1), server(1)]), 'twice'],
  ])(
    'refuses a list with %s in one line, before it asks for a passphrase',
    async (name, content, expected) => {
      const list = file(`bad ${name}`)
      await writeFile(list, content)
      const outcome = await run(['registry', 'sign', list, '--data-dir', node()])
      expect(complaint(outcome)).toContain(expected)
      expect(outcome.status).toBe(1)
    },
  )

  it('refuses a registry whose signature does not fit', async () => {
    await writeFile(file('s.yaml'), stringify([server(1)]))
    await sign(file('s.yaml'), '--out', file('s.json'))
    const signed = JSON.parse(await readFile(file('s.json'), 'utf8'))
    signed.entries[0].uplinkKbps = 1
    await writeFile(file('s.json'), JSON.stringify(signed))
    expect(complaint(await run(['registry', 'show', file('s.json')]))).toContain("publisher's signature")
  })
})

import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  type LanguageClip,
  readLanguageClips,
  readLanguageSentences,
} from '../../../../src/models/language-id/data/prepare.js'
import { readRawLine } from '../../../../src/models/language-id/data/raw-line.js'
import { stampText } from '../../../../src/models/language-id/data/recordings.js'
import { pageSentences } from '../../../../src/models/language-id/data/sentences.js'
import { readTalkie } from '../../../../src/models/language-id/data/talkie.js'
import { phoneClasses, phoneText } from '../../../../src/models/language-id/phones.js'
import { joinClips } from '../../../../src/models/language-id/utterances.js'
import { checkNeeds, installLine, LANGUAGE_ID_NEEDS } from '../../../../src/models/recipes/needs.js'

describe('phones', () => {
  it('are what espeak-ng prints, without stress, length and changes of language', () => {
    const classes = phoneClasses('ʒə nə vˈø pˈaz (en)ˈiːmeɪl(fr) ɛ̃', 'fr')
    expect(phoneText(classes).normalize('NFC')).toBe('ʒənəvøpazimeilẽ'.normalize('NFC'))
    expect(classes.every((each) => each > 0)).toBe(true)
  })

  it('are the same where languages spell the same sound otherwise', () => {
    const said = (ipa: string, rules: string): string => phoneText(phoneClasses(ipa, rules))
    expect(said('mʌɭʌkˈo', 'ru')).toBe('malako')
    expect(said('bˈʌɾɚ', 'en-us')).toBe('barɚ')
    expect(said('ɭʲˈes rˈyba', 'ru')).toBe('lesrɨba')
    expect(said('çˈeri', 'el')).toBe('xeri')
    expect(said('yn ʁˈy', 'fr')).toBe('ynʁy')
    expect(said('rˈɨba', 'be')).toBe('rɨba')
    expect(said('ˌaβoɣˈaðo', 'es-419')).toBe('aboɡaðo')
  })
})

describe('texts', () => {
  it('are whole sentences of a page, none with what is read otherwise than written', () => {
    const html = `<div class="para">
      The <span>package</span> manager asks nothing &amp; installs. The package manager asks nothing twice.
      Type <code>apt-get install</code> and look into /etc/apt/sources.list now please. Too short.</div>
      <p>This paragraph is not one of the book's own.</p>`
    expect(pageSentences(html)).toEqual(['The package manager asks nothing twice.'])
  })

  it('of a stamp are the first line in English, and the line that names another language', () => {
    const list = 'A seal.\nfr.utf8=Un phoque.\nfr_CA.utf8=Un loup marin.\nru.utf8=Тюлень.\n'
    expect(stampText(list, 'en')).toBe('A seal.')
    expect(stampText(list, 'fr')).toBe('Un phoque.')
    expect(stampText(list, 'ru')).toBe('Тюлень.')
    expect(stampText(list, 'it')).toBeUndefined()
  })
})

describe('the archive of spoken lines', () => {
  const archive = (size: number): Buffer => {
    const table = Buffer.alloc(15 + 2 * 21)
    table.writeUInt16BE(2, 13)
    table.write('HELLO.SB', 15, 'latin1')
    table.writeUInt32BE(57, 28)
    table.writeUInt32BE(size, 32)
    table.write('PICTURE.PCX', 36, 'latin1')
    return Buffer.concat([table, Buffer.alloc(10_000)])
  }

  it('gives what is speech and lies in it', () => {
    expect(readTalkie(archive(10_000))).toEqual([{ name: 'HELLO.SB', offset: 57, size: 10_000 }])
  })

  it('is refused where a line reaches beyond its end', () => {
    expect(() => readTalkie(archive(10_001))).toThrow(/HELLO.SB reaches beyond/)
    expect(() => readTalkie(archive(10_000).subarray(0, 40))).toThrow(RangeError)
  })
})

describe('prepared data', () => {
  it('is said to be missing, with the remedy', async () => {
    await expect(readLanguageSentences('/nonexistent')).rejects.toThrow(
      /no sentences: prepare the data again/,
    )
    await expect(readLanguageClips('/nonexistent')).rejects.toThrow(/no prepared data/)
  })
})

describe('raw lines', () => {
  it('are eight bits around their middle', () => {
    expect([...readRawLine(Uint8Array.of(0, 128, 192, 255))]).toEqual([-1, 0, 0.5, 127 / 128])
  })
})

describe('utterances', () => {
  const clip = (speaker: string, frames: number): LanguageClip => ({
    id: `${speaker}/${frames}`,
    language: 'it',
    split: 'test',
    source: 'nowhere',
    speaker,
    phones: [],
    features: { frames, bytes: new Uint8Array(frames * 64).fill(frames % 250) },
  })

  it('are whole clips of one speaker, long enough', () => {
    const joined = joinClips(
      [clip('a', 200), clip('a', 150), clip('a', 90), clip('b', 299), clip('b', 2), clip('b', 700)],
      3,
    )
    expect(joined.map(({ speaker, features }) => [speaker, features.frames])).toEqual([
      ['a', 350],
      ['b', 301],
      ['b', 700],
    ])
    expect([...new Set(joined[0]?.features.bytes)]).toEqual([200, 150])
  })
})

describe('what is needed', () => {
  it('is unpacked where it cannot be installed', async () => {
    const needs = (await checkNeeds(LANGUAGE_ID_NEEDS, '/nonexistent')).map((need) => ({
      ...need,
      isPresent: !['sox', 'asterisk-prompt-es-co', 'flight-of-the-amazon-queen'].includes(need.package),
    }))
    const lines = installLine(needs, 'my data')?.split('\n') ?? []
    expect(lines).toHaveLength(2)
    expect(lines[0]).toMatch(/^sudo apt-get install --no-install-recommends sox$/)
    // From anywhere, into a folder that is not there yet.
    const folder = `'${resolve('my data/unpacked')}'`
    expect(lines[1]).toContain(`(mkdir -p ${folder} && `)
    expect(lines[1]).toContain('apt-get download asterisk-prompt-es-co flight-of-the-amazon-queen ')
    expect(lines[1]).toContain(`dpkg -x "$p" ${folder}`)
  })
})

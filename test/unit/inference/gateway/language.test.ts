import { describe, expect, it } from 'vitest'
import { jobLanguage } from '../../../../src/inference/gateway/language.js'
import { languageOf } from '../../../../src/inference/language-name.js'
import { served } from './scripted-source.js'

describe('languages as clients write them', () => {
  it.each([
    [['eng', 'deu'], 'de', 'deu'],
    [['eng', 'deu'], 'de-AT', 'deu'],
    [['eng', 'deu'], 'de_DE', 'deu'],
    [['en'], 'eng', 'en'],
    [['de_DE', 'en_XX'], 'en', 'en_XX'],
    [['zho-script_simplified', 'zho'], 'zho', 'zho'],
    [['eng'], 'fra', undefined],
    [['eng'], 'not a tag', undefined],
    [[], 'en', undefined],
  ] as const)('of %j, %s is %s', (languages, wanted, expected) => {
    expect(languageOf({ languages }, wanted)).toBe(expected)
  })

  it('a model of one language is not told it, one that names none is told what the client said', () => {
    expect(jobLanguage(served({ languages: ['en'] }), 'eng')).toBeUndefined()
    expect(jobLanguage(served({ languages: ['eng', 'deu'] }), 'de')).toBe('deu')
    expect(jobLanguage(served({ languages: [] }), 'de')).toBe('de')
    expect(jobLanguage(served({ languages: ['eng', 'deu'] }), undefined)).toBeUndefined()
    expect(() => jobLanguage(served({ languages: ['eng', 'deu'] }), 'fr')).toThrow(/has eng, deu/)
  })
})

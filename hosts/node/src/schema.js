// Settings and options against the connector's JSON Schemas (2020-12).

import vm from 'node:vm';
import Ajv from 'ajv/dist/2020.js';
import { Refused } from './failure.js';

/** Keywords that fail because something below them fails. */
const COMPOSITE = ['anyOf', 'oneOf', 'if', 'not', 'allOf'];

/** How long a pattern of a schema may take to be matched, in milliseconds. */
const PATTERN_MS = 100;

/** Patterns are the connector's, and some take ages: each is matched within a time of its own. */
function patterns(pattern, flags) {
  const regExp = new RegExp(pattern, flags);
  return {
    test: (text) => vm.runInNewContext('regExp.test(text)', { regExp, text }, { timeout: PATTERN_MS }),
    toString: () => regExp.toString(), // Ajv tells patterns apart by it.
  };
}
patterns.code = 'new RegExp'; // Only of use where Ajv writes code to a file.

export class Schema {
  #validate;
  #what;

  /**
   * @param {string} text the schema, JSON
   * @param {string} what it is the schema of, in words
   * @throws {Refused} when it is no schema
   */
  constructor(text, what) {
    this.#what = what;
    try {
      // A schema's own keywords (`writeOnly`, hints for forms) are no mistakes, and formats are notes for people.
      const ajv = new Ajv({
        strict: false, allErrors: true, validateFormats: false, logger: false, code: { regExp: patterns },
      });
      this.#validate = ajv.compile(JSON.parse(text));
    } catch (error) {
      throw new Refused(`the connector's schema of ${what} is no JSON Schema: ${error.message}`);
    }
  }

  /**
   * Refuses a value that does not fit. The message never repeats the value: it may be a secret.
   *
   * @param {string} text JSON
   * @param {{templates?: boolean}} [how] `templates`: strings with `{{` in them are not judged, since their values come later
   * @throws {Refused}
   */
  check(text, { templates = false } = {}) {
    const value = this.#parse(text);
    if (this.#fits(value)) {
      return;
    }
    const errors = templates ? judged(this.#validate.errors, value) : this.#validate.errors;
    if (errors.length > 0) {
      const words = errors.map(({ instancePath, message }) => `${instancePath || 'it'} ${message}`);
      throw new Refused(`${this.#what} do not fit the connector's schema: ${[...new Set(words)].join('; ')}`);
    }
  }

  #fits(value) {
    try {
      return this.#validate(value);
    } catch (error) {
      throw new Refused(`${this.#what} cannot be compared with the connector's schema: ${error.message}`);
    }
  }

  #parse(text) {
    try {
      return JSON.parse(text);
    } catch {
      throw new Refused(`${this.#what} are no JSON`);
    }
  }
}

/** Without the errors that a template's value may put right. */
function judged(errors, value) {
  const open = errors
    .filter(({ keyword, instancePath }) => COMPOSITE.includes(keyword) && hasTemplate(at(value, instancePath)))
    .map(({ instancePath }) => instancePath);
  return errors.filter(({ instancePath }) => {
    const isBelow = open.some((path) => instancePath === path || instancePath.startsWith(`${path}/`));
    return !isBelow && !isTemplate(at(value, instancePath));
  });
}

function at(value, pointer) {
  const names = pointer.split('/').slice(1).map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
  return names.reduce((inner, name) => inner?.[name], value);
}

const isTemplate = (value) => typeof value === 'string' && value.includes('{{');

function hasTemplate(value) {
  return typeof value === 'object' && value !== null ? Object.values(value).some(hasTemplate) : isTemplate(value);
}

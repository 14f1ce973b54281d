import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tableOf, thresholdColour } from '../../../graph/static/js/dashboard.js';

test('thresholds: the last step that is reached', () => {
  const steps = [{ value: null, color: 'green' }, { value: 0.01, color: 'orange' }, { value: 0.1, color: 'semi-dark-red' }];
  assert.equal(thresholdColour(0, steps), 'green');
  assert.equal(thresholdColour(0.05, steps), 'orange');
  assert.equal(thresholdColour(0.5, steps), 'red');
  assert.equal(thresholdColour(null, steps), '');
  assert.equal(thresholdColour(1), '');
});

test('a table has a column per label', () => {
  const series = (labels, value) => ({ name: 'n', labels, points: [[1, value]] });
  assert.deepEqual(tableOf({ unit: 'reqps', series: [series({ response_code: '200', version: 'v1' }, 4.5), series({ response_code: '500' }, null)] }), {
    columns: ['response code', 'version', 'Value'], rows: [['200', 'v1', '4.5 req/s'], ['500', '', '–']],
  });
  assert.deepEqual(tableOf({ unit: 'short', series: [series({}, 3)] }), { columns: ['Name', 'Value'], rows: [['n', '3']] });
});

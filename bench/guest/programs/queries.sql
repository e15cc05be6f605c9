-- A small shop: inserts, indexes, joins, groups, updates, text.
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, city TEXT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, amount REAL, day INTEGER, note TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
  INSERT INTO customers SELECT i, 'customer ' || i, 'city ' || (i * 7919 % 97) FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
  INSERT INTO orders SELECT i, 1 + i * 104729 % 2000, (i * 31 % 1000) / 8.0, i % 365, 'note ' || hex(i * i) FROM n;
CREATE INDEX by_customer ON orders(customer, day);
CREATE INDEX by_city ON customers(city);
SELECT city, count(*), round(sum(amount), 2) FROM customers JOIN orders ON customer = customers.id
  GROUP BY city ORDER BY 3 DESC, 1 LIMIT 5;
SELECT count(*) FROM orders WHERE note LIKE '%A5%' AND amount BETWEEN 10 AND 90;
UPDATE orders SET amount = amount * 1.5, note = replace(note, 'note', 'remark') WHERE day % 7 = 3;
SELECT day / 30, round(avg(amount), 3), max(note) FROM orders GROUP BY 1 ORDER BY 1;
SELECT a.city, count(*) FROM customers a JOIN customers b ON a.city = b.city AND a.id < b.id GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 3;
DELETE FROM orders WHERE customer IN (SELECT id FROM customers WHERE city LIKE 'city 1%');
SELECT count(*), round(total(amount), 2), sum(length(note)) FROM orders;
SELECT name, (SELECT max(amount) FROM orders WHERE customer = customers.id) AS best FROM customers
  WHERE id % 3 = 0 ORDER BY best DESC, name LIMIT 4;

"""What Python programs do all day: objects, dictionaries, strings, sorting, generators, exceptions."""
import os
import re
from collections import defaultdict


class Account:
    def __init__(self, name, balance):
        self.name = name
        self.balance = balance
        self.history = []

    def move(self, amount):
        if self.balance + amount < 0:
            raise ValueError(self.name)
        self.balance += amount
        self.history.append(amount)


def numbers(seed):
    while True:
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
        yield seed >> 8


def words(source, count):
    letters = "etaoinshrdlu"
    return ["".join(letters[next(source) % 12] for _ in range(3 + i % 5)) for i in range(count)]


def bank(source):
    accounts = {f"account {i}": Account(f"account {i}", 1000) for i in range(50)}
    refused = defaultdict(int)
    for _ in range(1500):
        account = accounts[f"account {next(source) % 50}"]
        try:
            account.move(next(source) % 400 - 200)
        except ValueError as error:
            refused[str(error)] += 1
    rich = sorted(accounts.values(), key=lambda a: (-a.balance, a.name))
    return sum(a.balance * i for i, a in enumerate(rich)) + sum(refused.values()) + len(rich[0].history)


def text(source):
    lines = [" ".join(words(source, 9)) for _ in range(25)]
    pattern = re.compile(r"\b([a-z]+)([aeiou])([a-z])\b")
    count = defaultdict(int)
    for line in lines:
        for word in pattern.sub(r"\3\2\1", line).split():
            count[word.strip("aeiou")] += len(word)
    best = sorted(count.items(), key=lambda item: (item[1], item[0]), reverse=True)[:5]
    return ",".join(f"{word}:{n:03d}" for word, n in best)


def sieve(limit):
    flags = bytearray([1]) * limit
    for i in range(2, int(limit**0.5) + 1):
        if flags[i]:
            flags[i * i :: i] = bytes(len(range(i * i, limit, i)))
    return sum(i for i in range(2, limit) if flags[i])


def main():
    source = numbers(7)
    total = 0
    for step in range(20):
        total += bank(source) + sieve(4000 + step)
        last = text(source)
        os.write(9, b".")
    print(total, last)


main()

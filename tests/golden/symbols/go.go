package shop

import (
	"fmt"
	m "example.com/shop/money"
)

// Cart holds what a customer wants.
// It is not safe for concurrent use.
type Cart[T any] struct {
	Items, Gifts []T
	owner        *Owner
}

type Payer interface {
	Pay(amount m.Money) error
}

type Total = int

const (
	Limit = 3
	Low
)

var ErrEmpty = fmt.Errorf("empty")

// Pay settles it.
func (c *Cart[T]) Pay(amount m.Money) (n int, err error) {
	sum := 0
	for i, item := range c.Items {
		sum += item.Price(i)
	}
	go func(done chan bool) { close(done) }(nil)
	return sum, ErrEmpty
}

func New() *Cart[int] { return &Cart[int]{owner: nil} }
